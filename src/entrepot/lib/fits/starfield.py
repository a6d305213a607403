"""Made-up frames: a plausible star field, bias, dark or flat as the bytes of a FITS file."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .cards import BLOCK, Card, FitsError, format_cards

_FULL_WELL = 65535
_STAMP = 12  # pixels from a star's centre to where its light is cut off
_MOFFAT_BETA = 2.5  # the wings of ground-based images (Moffat 1969, A&A 3, 455)
_BRIGHTNESS_SLOPE = 1.2  # N(>flux) ~ flux^-1.2, a little flatter than uniform space's 1.5
_FAINTEST = 300.0
_BRIGHTEST = 4e5


def star_field(
    header: Mapping[str, Card],
    *,
    seed: int,
    centre: tuple[float, float] | None = None,
    scale: float = 0.5,
    rotation: float = 0.0,
    shape: tuple[int, int] = (256, 256),
    stars: int = 120,
    fwhm: float = 3.0,
    sky: float = 150.0,
    bias: float = 1000.0,
    read_noise: float = 8.0,
    vignetting: float = 0.0,
) -> bytes:
    """Make a frame of unsigned 16-bit counts with the given cards; the same arguments
    give the same bytes (with the same numpy).

    ``centre`` is the (RA, Dec) in degrees of the middle of the frame, ``scale`` in arcsec/pixel,
    ``rotation`` the position angle in degrees, north through east, of the frame's up: they make TAN
    world coordinates. Without a centre there are none. ``shape`` is (rows, columns), ``fwhm`` in
    pixels; ``sky`` and ``read_noise`` in counts (one count is one electron), ``vignetting`` the
    fraction of the light that is lost in the corners. A bias is ``stars=0, sky=0``, a dark has a
    little sky, a flat has ``sky=30000`` and some vignetting.

    The default size takes 134 kB with a short header. Raises `FitsError` for cards that the frame
    makes itself, that a FITS header can't hold, and for sizes and centres that make no sense.
    """
    rows, columns = shape
    if rows < 1 or columns < 1 or stars < 0 or scale <= 0 or fwhm <= 0:
        raise FitsError("A star field needs at least one row and column, and a scale and FWHM above 0.")
    own: dict[str, Card] = {
        "SIMPLE": True,
        "BITPIX": 16,
        "NAXIS": 2,
        "NAXIS1": columns,
        "NAXIS2": rows,
        "BSCALE": 1.0,
        "BZERO": 32768.0,
    }
    if centre is not None:
        own |= _tangent_plane(centre, scale, rotation, shape)
    if taken := own.keys() & header.keys():
        raise FitsError(f"The frame makes these cards itself: {', '.join(sorted(taken))}.")
    random = np.random.Generator(np.random.PCG64(seed))
    light = _stars(random, shape, stars, fwhm) + sky
    if vignetting:
        light *= _falloff(shape, vignetting)
    counts = random.poisson(light) + random.normal(bias, read_noise, shape)
    data = _as_stored(counts)
    return format_cards([*own.items(), *header.items()]) + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def _tangent_plane(
    centre: tuple[float, float], scale: float, rotation: float, shape: tuple[int, int]
) -> dict[str, Card]:
    """Make the world coordinates of a frame with east to the left when it isn't rotated."""
    ra, dec = centre
    if not (math.isfinite(ra) and -90.0 <= dec <= 90.0):
        raise FitsError("The centre of a star field is (RA, Dec) in degrees, with Dec from -90 to 90.")
    step, angle = scale / 3600.0, math.radians(rotation)
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRPIX1": (shape[1] + 1) / 2,
        "CRPIX2": (shape[0] + 1) / 2,
        "CRVAL1": ra % 360.0,
        "CRVAL2": float(dec),
        "CD1_1": -step * math.cos(angle),
        "CD1_2": step * math.sin(angle),
        "CD2_1": step * math.sin(angle),
        "CD2_2": step * math.cos(angle),
        "RADESYS": "ICRS",
    }


def _stars(
    random: np.random.Generator, shape: tuple[int, int], stars: int, fwhm: float
) -> NDArray[np.float64]:
    """Lay down stars at random places, many faint and few bright, as the mean light of each pixel."""
    margin = _STAMP + 1
    field = np.zeros((shape[0] + 2 * margin, shape[1] + 2 * margin))
    x, y = random.uniform(0, shape[1], stars), random.uniform(0, shape[0], stars)
    flux = np.minimum(_FAINTEST * random.random(stars) ** (-1 / _BRIGHTNESS_SLOPE), _BRIGHTEST)
    offsets = np.arange(-_STAMP, _STAMP + 1)
    column, row = x.astype(np.int64)[:, None] + offsets, y.astype(np.int64)[:, None] + offsets
    square = ((row + 0.5 - y[:, None]) ** 2)[:, :, None] + ((column + 0.5 - x[:, None]) ** 2)[:, None, :]
    core = fwhm / (2 * math.sqrt(2 ** (1 / _MOFFAT_BETA) - 1))
    profile = (1 + square / core**2) ** -_MOFFAT_BETA
    peak = flux * (_MOFFAT_BETA - 1) / (math.pi * core**2)
    np.add.at(
        field, ((row + margin)[:, :, None], (column + margin)[:, None, :]), profile * peak[:, None, None]
    )
    return field[margin:-margin, margin:-margin]


def _falloff(shape: tuple[int, int], lost: float) -> NDArray[np.float64]:
    """Give the fraction of light that arrives at each pixel: 1 in the middle, then less as a parabola."""
    y, x = (np.linspace(-1.0, 1.0, length) for length in shape)
    return 1.0 - lost * (y[:, None] ** 2 + x[None, :] ** 2) / 2


def _as_stored(counts: NDArray[np.float64]) -> bytes:
    """Write counts as big-endian 16-bit integers below an offset of 32768."""
    whole = np.clip(np.rint(counts), 0, _FULL_WELL).astype(np.int32) - 32768
    return whole.astype(">i2").tobytes()
