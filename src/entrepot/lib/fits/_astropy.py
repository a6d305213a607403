"""The one place where astropy, which has no types, is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, TypeAlias, cast

from .wcs_cards import is_icrs

_Positions: TypeAlias = list[tuple[float, float]]


class _Rows(Protocol):
    def tolist(self) -> list[list[float]]: ...


class _Column(Protocol):
    def tolist(self) -> list[float]: ...


class _Axes(Protocol):
    lng: int
    lat: int


class _World(Protocol):
    wcs: _Axes

    def all_pix2world(self, pixels: Sequence[tuple[float, float]], origin: int) -> _Rows: ...


class _Angle(Protocol):
    deg: _Column


class _Sky(Protocol):
    icrs: _Sky
    ra: _Angle
    dec: _Angle


def sky_positions(
    cards: Mapping[str, str | float], pixels: Sequence[tuple[float, float]]
) -> _Positions | None:
    """Give (RA, Dec) in degrees, ICRS, of pixel positions that count from 1 at the first pixel's centre.

    ``cards`` are those that `wcs_cards` has chosen. Not finite where the projection has no position; None
    if the world coordinates aren't consistent and celestial.
    """
    # At first use, because importing astropy takes over a second and most processes never need it.
    fits, wcs = import_module("astropy.io.fits"), import_module("astropy.wcs")
    try:
        # No fixes: they are for dates and units, which aren't passed on, and warn.
        world = cast("_World", wcs.WCS(fits.Header(list(cards.items())), fix=False))
        rows = world.all_pix2world(pixels, 1).tolist()
    except ValueError:  # the base of wcslib's errors
        return None
    longitude, latitude = world.wcs.lng, world.wcs.lat
    if longitude < 0 or latitude < 0:
        return None
    positions = [(row[longitude], row[latitude]) for row in rows]
    return positions if is_icrs(cards) else _to_icrs(world, positions)


def _to_icrs(world: _World, positions: _Positions) -> _Positions:
    """Turn positions from the frame that the header names; an unknown one is taken for ICRS."""
    coordinates, frames = import_module("astropy.coordinates"), import_module("astropy.wcs.utils")
    try:
        frame: object = frames.wcs_to_celestial_frame(world)
    except ValueError:
        return positions
    longitudes, latitudes = [p[0] for p in positions], [p[1] for p in positions]
    sky = cast("_Sky", coordinates.SkyCoord(longitudes, latitudes, unit="deg", frame=frame)).icrs
    return list(zip(sky.ra.deg.tolist(), sky.dec.deg.tolist(), strict=True))
