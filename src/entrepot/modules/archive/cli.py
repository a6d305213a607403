"""The archive's commands."""

from __future__ import annotations

import typer

__all__ = ["mount_commands"]


def mount_commands(app: typer.Typer) -> None:
    """Add the archive's commands to the command line."""
