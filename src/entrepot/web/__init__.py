"""The web shell: what the pages of all modules share; its static files are served below /static."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["static_folder"]


def static_folder() -> Path:
    """Give the folder of the static files, wherever the package is installed."""
    return Path(str(files(__name__))) / "static"
