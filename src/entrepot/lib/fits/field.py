"""The piece of sky that a frame shows, from its header."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from ._astropy import sky_positions
from .cards import Card, integer, number
from .tangent import is_tangent, tangent_positions
from .wcs_cards import is_icrs, wcs_cards

Position: TypeAlias = tuple[float, float]
_Vector: TypeAlias = tuple[float, float, float]

# An edge's great-circle arcs may leave the true edge of the pixels by this much. A position that is
# closer to the edge than a pixel is neither in nor out, and fewer vertices make searches quicker.
TOLERANCE_PIXELS = 1.0
_SAMPLES = 16  # positions looked at on an edge
_PIECES = (1, 2, 4, 8)
_WIDEST_SQUARE = 10.0  # degrees of RA either side of the centre

_GEOMETRY = re.compile(
    r"XTENSION|NAXIS\d*|WCSAXES|C(?:TYPE|RPIX|RVAL|DELT|UNIT|ROTA)\d+|(?:CD|PC)\d+_\d+|P[VS]\d+_\d+"
    r"|[AB]P?_(?:ORDER|\d+_\d+)|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX"
)
_SEXAGESIMAL = re.compile(r"\s*([+-]?)(\d{1,3})[:\s]\s*([0-5]?\d)(?:[:\s]\s*([0-5]?\d(?:\.\d*)?))?\s*")
_CELESTIAL = (("RA", "DEC"), ("GLON", "GLAT"))


def footprint(
    header: Mapping[str, Card], *, radius: str = "RADIUS", ra: str = "RA", dec: str = "DEC"
) -> list[Position] | None:
    """Give the outline of a frame as (RA, Dec) in degrees, ICRS, 0 ≤ RA < 360, not closed.

    If the three named cards are there (radius in arcsec; RA as an hour angle, in hours or
    sexagesimal; Dec in degrees, a number or sexagesimal), it is a square of that half-width about
    the position, RA ± radius/cos Dec; near a pole, where that would reach 10° in RA or the pole
    itself, the octagon about the circle. (The reference of the archive adds the radius to RA as it is.)

    Otherwise it follows the outer edges of the pixels through the full world coordinates (SIP and TPV
    too): FITS pixel positions (0.5, 0.5), (0.5, N2+0.5), (N1+0.5, N2+0.5), (N1+0.5, 0.5); the old
    client takes the pixels' centres, (1, 1) and so on. An edge that a great-circle arc doesn't follow to
    within a pixel gets 1, 3 or 7 vertices more. Equatorial coordinates of another equinox and galactic
    ones are brought to ICRS. Lookup-table distortions (CPDIS, D2IMDIS) are left out.

    None if there's no such position, for other than two axes, for coordinates that aren't finite or
    aren't of the sky, and if the outline has no area or doesn't fit in a hemisphere.
    """
    return _about(header, radius, ra, dec) or _edges(header)


def is_geometry(keyword: str) -> bool:
    """Tell whether a card belongs to the shape or the world coordinates of an image."""
    return _GEOMETRY.fullmatch(keyword) is not None


def shows_sky(header: Mapping[str, Card]) -> bool:
    """Tell whether an HDU is an image of two axes with celestial coordinates, judged by its cards."""
    return _shape(header) is not None and _is_celestial(header)


def _shape(header: Mapping[str, Card]) -> tuple[int, int] | None:
    """Give NAXIS1 and NAXIS2 of a two-dimensional image."""
    width, height = integer(header, "NAXIS1"), integer(header, "NAXIS2")
    if header.get("NAXIS", 2) != 2 or "NAXIS3" in header or header.get("XTENSION", "IMAGE") != "IMAGE":
        return None
    return (width, height) if width and height and width > 0 and height > 0 else None


def _is_celestial(header: Mapping[str, Card]) -> bool:
    types = {str(header.get(f"CTYPE{axis}")).split("-")[0].strip().upper() for axis in (1, 2)}
    return any(types == set(pair) for pair in _CELESTIAL)


# The square about a position -------------------------------------------------------------------


def _about(header: Mapping[str, Card], radius_key: str, ra_key: str, dec_key: str) -> list[Position] | None:
    size, hours, dec = number(header, radius_key), _angle(header.get(ra_key)), _angle(header.get(dec_key))
    if size is None or hours is None or dec is None:
        return None
    radius, ra = size / 3600.0, hours * 15.0
    if not 0.0 < radius < 90.0 or abs(hours) > 24.0 or abs(dec) > 90.0:
        return None
    cosine = math.cos(math.radians(dec))
    if abs(dec) + radius >= 90.0 or radius > _WIDEST_SQUARE * cosine:
        return _octagon(ra, dec, radius)
    width = radius / cosine
    corners = ((-width, -radius), (-width, radius), (width, radius), (width, -radius))
    return [(_turn(ra + across), dec + up) for across, up in corners]


def _octagon(ra: float, dec: float, radius: float) -> list[Position]:
    """Lay a regular octagon about a circle on the sphere; all angles in degrees."""
    reach = math.atan(math.tan(math.radians(radius)) / math.cos(math.pi / 8))
    sine, cosine = math.sin(math.radians(dec)), math.cos(math.radians(dec))
    corners: list[Position] = []
    for bearing in ((k + 0.5) * math.pi / 4 for k in range(8)):
        z = sine * math.cos(reach) + cosine * math.sin(reach) * math.cos(bearing)
        east = math.sin(reach) * math.sin(bearing)
        ahead = cosine * math.cos(reach) - sine * math.sin(reach) * math.cos(bearing)
        turn = math.degrees(math.atan2(east, ahead))
        corners.append((_turn(ra + turn), math.degrees(math.atan2(z, math.hypot(east, ahead)))))
    return corners


def _angle(value: Card) -> float | None:
    """Read a number, or text as a number or as units, minutes and seconds."""
    if isinstance(value, bool) or value is None:
        return None
    if not isinstance(value, str):
        return float(value)
    if match := _SEXAGESIMAL.fullmatch(value):
        sign, units, minutes, seconds = match.groups(default="0")
        size = int(units) + int(minutes) / 60.0 + float(seconds) / 3600.0
        return -size if sign == "-" else size
    try:
        angle = float(value)
    except ValueError:
        return None
    return angle if math.isfinite(angle) else None


def _turn(degrees: float) -> float:
    """Bring an angle into 0 ≤ angle < 360."""
    turned = degrees % 360.0
    return 0.0 if turned >= 360.0 else turned


# The edges of the pixels -----------------------------------------------------------------------


def _edges(header: Mapping[str, Card]) -> list[Position] | None:
    shape = _shape(header)
    if shape is None or not _is_celestial(header):
        return None
    cards = wcs_cards(header)
    if cards is None:
        return None
    straight = is_icrs(cards) and is_tangent(cards)
    samples = 1 if straight else _SAMPLES
    pixels = [*_along_the_edges(*shape, samples), ((shape[0] + 1) / 2, (shape[1] + 1) / 2)]
    positions = tangent_positions(cards, pixels) if straight else sky_positions(cards, pixels)
    if positions is None or not all(math.isfinite(ra) and math.isfinite(dec) for ra, dec in positions):
        return None
    outline, centre = positions[:-1], _unit(positions[-1])
    vectors = [_unit(position) for position in outline]
    if not _is_simple_field(vectors, centre):
        return None
    vertices = range(4)
    if not straight:
        vertices = [index for side in range(4) for index in _vertices(vectors, side, shape[1 - side % 2])]
    return [(_turn(outline[index][0]), outline[index][1]) for index in vertices]


def _along_the_edges(width: int, height: int, samples: int) -> Iterator[Position]:
    """Go around the pixels' outer edges from the lower left corner, up first."""
    corners = ((0.5, 0.5), (0.5, height + 0.5), (width + 0.5, height + 0.5), (width + 0.5, 0.5))
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        for step in range(samples):
            part = step / samples
            yield x0 + (x1 - x0) * part, y0 + (y1 - y0) * part


def _is_simple_field(outline: Sequence[_Vector], centre: _Vector) -> bool:
    """Tell whether an outline fits in the hemisphere about the centre and has an area."""
    if any(_dot(vector, centre) <= 0.0 for vector in outline):
        return False
    offsets = [_minus(vector, centre) for vector in outline]
    following = [*offsets[1:], offsets[0]]
    area, around = (0.0, 0.0, 0.0), 0.0
    for one, two in zip(offsets, following, strict=True):
        area = _plus(area, _cross(one, two))
        around += math.dist(one, two)
    return math.hypot(*area) > 1e-12 * around**2


def _vertices(outline: Sequence[_Vector], side: int, pixels: int) -> list[int]:
    """Choose which samples of one side make its arcs: as few as keep them near the true edge."""
    samples = [*range(side * _SAMPLES, (side + 1) * _SAMPLES), (side + 1) * _SAMPLES % len(outline)]
    points = [outline[index] for index in samples]
    length = sum(math.dist(one, two) for one, two in pairwise(points))
    tolerance = TOLERANCE_PIXELS * length / pixels
    for pieces in _PIECES:
        step = _SAMPLES // pieces
        if all(_bulge(points[at : at + step + 1]) <= tolerance for at in range(0, _SAMPLES, step)):
            break
    else:
        step = _SAMPLES // _PIECES[-1]
    return samples[:-1:step]


def _bulge(points: Sequence[_Vector]) -> float:
    """Measure how far points lie from the great circle through the first and the last, in radians."""
    first, last = points[0], points[-1]
    pole = _cross(first, _minus(last, first))
    size = math.hypot(*pole)
    if size < 1e-15:
        return max(math.dist(point, first) for point in points)
    return max(abs(_dot(point, pole)) / size for point in points)


def _unit(position: Position) -> _Vector:
    ra, dec = math.radians(position[0]), math.radians(position[1])
    return math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)


def _dot(one: _Vector, two: _Vector) -> float:
    return one[0] * two[0] + one[1] * two[1] + one[2] * two[2]


def _cross(one: _Vector, two: _Vector) -> _Vector:
    return (
        one[1] * two[2] - one[2] * two[1],
        one[2] * two[0] - one[0] * two[2],
        one[0] * two[1] - one[1] * two[0],
    )


def _plus(one: _Vector, two: _Vector) -> _Vector:
    return one[0] + two[0], one[1] + two[1], one[2] + two[2]


def _minus(one: _Vector, two: _Vector) -> _Vector:
    return one[0] - two[0], one[1] - two[1], one[2] - two[2]
