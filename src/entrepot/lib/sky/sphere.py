"""Positions on the celestial sphere as unit vectors, arcs between them, and boxes around them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Vector = tuple[float, float, float]
Quad = tuple[Vector, Vector, Vector, Vector]

PIECE_RADIUS = 20.0
"""How far a piece may reach from some centre, in degrees."""

OPPOSITE = 1e-9
"""Positions nearer than this to opposite, in radians, have no certain arc between them."""

_BOX_MARGIN = 1e-12
_SHORT_CHORD = 1e-2
_AXES = (0, 1, 2)


class GeometryError(ValueError):
    """What was given isn't a shape on the sky; the one sentence says why."""


@dataclass(frozen=True, slots=True)
class Box:
    """The part of space between two corners, along the axes of the unit vectors."""

    low: Vector
    high: Vector


def right_ascension(ra: float) -> float:
    """Bring an angle in degrees into −180 ≤ RA < 180."""
    if not math.isfinite(ra):
        raise GeometryError("A right ascension must be a finite number of degrees.")
    if -180.0 <= ra < 180.0:
        return ra + 0.0  # makes −0.0 a plain 0.0
    # The shift leaves noise in the last digits: 186.4 would become −173.60000000000002.
    shifted = round((ra + 180.0) % 360.0 - 180.0, 12)
    return -180.0 if shifted >= 180.0 else shifted + 0.0


def declination(dec: float) -> float:
    """Set a declination beyond a pole to the pole, in degrees."""
    if not math.isfinite(dec):
        raise GeometryError("A declination must be a finite number of degrees.")
    if abs(dec) > 180.0:
        raise GeometryError(f"Dec {dec:g} is far beyond the pole: a position is [RA, Dec] in degrees.")
    return max(-90.0, min(90.0, dec)) + 0.0


def unit_vector(ra: float, dec: float) -> Vector:
    """Give the unit vector towards a position in degrees, whose RA may be of any turn.

    The same position as a footprint's vertex gives the same bits. Raises `GeometryError` for what
    a footprint refuses as a coordinate.
    """
    longitude, latitude = math.radians(right_ascension(ra)), declination(dec)
    if abs(latitude) == 90.0:
        return (0.0, 0.0, math.copysign(1.0, latitude))
    latitude = math.radians(latitude)
    across = math.cos(latitude)
    return (across * math.cos(longitude), across * math.sin(longitude), math.sin(latitude))


def dot(a: Vector, b: Vector) -> float:
    """Give the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def minus(a: Vector, b: Vector) -> Vector:
    """Give a − b."""
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def cross(a: Vector, b: Vector) -> Vector:
    """Give the vector product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def unit(a: Vector) -> Vector:
    """Give the vector of length 1 in the same direction."""
    length = math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])
    return (a[0] / length, a[1] / length, a[2] / length)


def between(a: Vector, b: Vector, share: float) -> Vector:
    """Give the position on the arc a–b below the point that divides its chord."""
    return unit(
        (
            a[0] + share * (b[0] - a[0]),
            a[1] + share * (b[1] - a[1]),
            a[2] + share * (b[2] - a[2]),
        )
    )


def chord_squared(a: Vector, b: Vector) -> float:
    """Give the square of the straight distance."""
    x, y, z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    return x * x + y * y + z * z


def are_opposite(a: Vector, b: Vector) -> bool:
    """Say whether no certain arc joins the two."""
    return math.hypot(a[0] + b[0], a[1] + b[1], a[2] + b[2]) <= OPPOSITE


def joined(a: Vector, b: Vector, longest: float) -> list[Vector]:
    """Give positions on the arc from a to b, without b, so that none is farther from the next than
    the chord `longest`.
    """
    if chord_squared(a, b) <= longest * longest:
        return [a]
    middle = unit((a[0] + b[0], a[1] + b[1], a[2] + b[2]))
    return [*joined(a, middle, longest), *joined(middle, b, longest)]


def arcs(ring: Sequence[Vector]) -> Iterator[tuple[Vector, Vector]]:
    """Go round a ring, edge by edge."""
    for index, vector in enumerate(ring):
        yield ring[index - 1], vector


def centre_of(vectors: Sequence[Vector]) -> Vector | None:
    """Give a position in the middle of others, if they lie on one side of the sphere."""
    x, y, z = (min(v[k] for v in vectors) + max(v[k] for v in vectors) for k in _AXES)
    return unit((x, y, z)) if math.hypot(x, y, z) > 0.1 else None


def box_around(edges: Iterable[tuple[Vector, Vector]]) -> Box:
    """Give the box that holds arcs, at least one, and a little more than rounding can move them."""
    low, high = [2.0, 2.0, 2.0], [-2.0, -2.0, -2.0]
    for a, b in edges:
        _stretch(low, high, a, b)
    return Box(
        (low[0] - _BOX_MARGIN, low[1] - _BOX_MARGIN, low[2] - _BOX_MARGIN),
        (high[0] + _BOX_MARGIN, high[1] + _BOX_MARGIN, high[2] + _BOX_MARGIN),
    )


def _stretch(low: list[float], high: list[float], a: Vector, b: Vector) -> None:
    square = chord_squared(a, b)
    if square <= _SHORT_CHORD * _SHORT_CHORD:
        bulge = square / 7.9  # the arc rises 1 − √(1 − square/4) above its chord
        for k in _AXES:
            low[k] = min(low[k], a[k] - bulge, b[k] - bulge)
            high[k] = max(high[k], a[k] + bulge, b[k] + bulge)
        return
    cosine = dot(a, b)
    pole = unit(cross(a, minus(b, a)))
    for k in _AXES:
        low[k], high[k] = min(low[k], a[k], b[k]), max(high[k], a[k], b[k])
        rise, fall = b[k] - cosine * a[k], a[k] - cosine * b[k]
        extreme = math.hypot(pole[k - 1], pole[k - 2])
        if rise > 0.0 and fall > 0.0:
            high[k] = max(high[k], extreme)
        elif rise < 0.0 and fall < 0.0:
            low[k] = min(low[k], -extreme)


def axes_within(box: Box) -> Iterator[tuple[int, float, Vector]]:
    """Give the ends of the axes that an area whose border has this box may hold."""
    for k in _AXES:
        others = [j for j in _AXES if j != k]
        if all(box.low[j] <= 0.0 <= box.high[j] for j in others):
            for sign in (1.0, -1.0):
                x, y, z = (sign if j == k else 0.0 for j in _AXES)
                yield k, sign, (x, y, z)


def box_with(box: Box, axis: int, sign: float) -> Box:
    """Stretch a box to one end of an axis."""
    low, high = list(box.low), list(box.high)
    if sign > 0:
        high[axis] = 1.0 + _BOX_MARGIN
    else:
        low[axis] = -1.0 - _BOX_MARGIN
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def common_box(boxes: Sequence[Box]) -> Box:
    """Give the box that holds other boxes, at least one."""
    low = [min(box.low[k] for box in boxes) for k in _AXES]
    high = [max(box.high[k] for box in boxes) for k in _AXES]
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def cone_box(centre: Vector, radius: float) -> Box:
    """Give the box around all positions within a radius of 0 to 90 degrees."""
    angle = math.radians(radius)
    low, high = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for k in _AXES:
        from_axis = math.atan2(math.hypot(centre[k - 1], centre[k - 2]), centre[k])
        high[k] = math.cos(max(0.0, from_axis - angle)) + _BOX_MARGIN
        low[k] = math.cos(min(math.pi, from_axis + angle)) - _BOX_MARGIN
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
