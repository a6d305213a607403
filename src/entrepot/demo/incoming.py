"""The files of the demo's frames: made once, each whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from entrepot.demo.exposures import Exposure
from entrepot.lib.fits.starfield import star_field

__all__ = ["make_frames"]

UNFINISHED = ".part"


def make_frames(folder: Path, wanted: Iterable[Exposure]) -> int:
    """Make the frames that are missing in ``folder``, and tell how many those were.

    Each is written beside the folder and then moved, so that what has a frame's name is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [(seed, one) for seed, one in enumerate(wanted) if not (folder / one.filename).exists()]
    for done, (seed, exposure) in enumerate(missing, 1):
        part = folder.with_suffix(UNFINISHED)
        part.write_bytes(_bytes(exposure, seed))
        part.rename(folder / exposure.filename)
        if sys.stdout.isatty():
            _say(f"Making star fields: {done} of {len(missing)}\r")
    if missing:
        _say(f"Made {len(missing)} star fields in {folder}.\n")
    return len(missing)


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _bytes(exposure: Exposure, seed: int) -> bytes:
    return star_field(
        exposure.cards,
        seed=seed,
        centre=exposure.centre,
        scale=exposure.scale,
        rotation=exposure.rotation,
        stars=exposure.stars,
        sky=exposure.light.sky,
        bias=exposure.light.bias,
        read_noise=exposure.light.read_noise,
        vignetting=exposure.light.vignetting,
    )
