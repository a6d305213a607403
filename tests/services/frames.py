"""The real frames that the tests read: a folder beside the repository."""

import os
from pathlib import Path

from tests.services.missing import missing


def frames_folder() -> Path:
    """Give the folder of real frames; without it skip the test, or fail where everything is required."""
    default = Path(__file__).parents[2].parent / "shared" / "data" / "frames"
    folder = Path(os.environ.get("ENTREPOT_TEST_FRAMES") or default)
    if not any(folder.glob("*.fits*")):
        reason = f"no FITS files in {folder}: set ENTREPOT_TEST_FRAMES to the folder of real frames"
        missing(reason)
    return folder
