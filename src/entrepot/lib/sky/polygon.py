"""The part of the sky that an image covers, as a polygon whose edges are great-circle arcs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from .sphere import GeometryError, are_opposite, declination, right_ascension, unit_vector

MAX_POSITIONS = 10_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """A polygon on the celestial sphere; the smaller of the two regions it bounds is meant.

    ``vertices`` are (RA, Dec) in degrees, at least three, the first not repeated at the end. RA is
    brought into −180 ≤ RA < 180, where it is kept as given if it lies there and rounded to 1e-12
    otherwise; Dec beyond a pole is set to the pole. A polygon may cross itself or have no area.

    Raises `GeometryError` for fewer than three vertices, more than 9,999, a coordinate that isn't
    finite, a Dec beyond ±180, which no sum of a declination and a size can reach, and an edge
    between opposite points of the sphere, of which nobody can say which way it goes.
    """

    vertices: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.vertices) < MAX_POSITIONS:
            raise GeometryError(
                f"A footprint has 3 to {MAX_POSITIONS - 1:,} vertices, and this has {len(self.vertices):,}."
            )
        vertices = tuple((right_ascension(ra), declination(dec)) for ra, dec in self.vertices)
        for index, vertex in enumerate(vertices):
            refuse_opposite(vertices[index - 1], vertex)
        object.__setattr__(self, "vertices", vertices)

    def geojson(self) -> dict[str, object]:
        """Give the polygon as a GeoJSON Polygon: one ring, closed, positions as [RA, Dec]."""
        ring = [[ra, dec] for ra, dec in (*self.vertices, self.vertices[0])]
        return {"type": "Polygon", "coordinates": [ring]}


def footprint_from_geojson(value: object) -> Footprint:
    """Read a GeoJSON Polygon of one closed ring of [RA, Dec] positions in degrees.

    A position's further numbers are dropped, and so are other members of the object. Raises
    `GeometryError` for anything else, for holes, an open ring, fewer than 4 or more than 10,000
    positions, and coordinates that aren't finite numbers.
    """
    ring = _only_ring(value)
    if len(ring) < 4:
        raise GeometryError(f"A polygon's ring needs at least 4 positions, and this has {len(ring)}.")
    if len(ring) > MAX_POSITIONS:
        raise GeometryError(
            f"A polygon's ring may have {MAX_POSITIONS:,} positions, and this has {len(ring):,}."
        )
    *positions, last = [_position(item, index) for index, item in enumerate(ring)]
    footprint = Footprint(tuple(positions))
    if (right_ascension(last[0]), declination(last[1])) != footprint.vertices[0]:
        raise GeometryError("A polygon's ring must be closed: its last position has to repeat the first.")
    return footprint


def refuse_opposite(start: tuple[float, float], end: tuple[float, float]) -> None:
    """Raise `GeometryError` if an edge between two positions in degrees would join opposite points."""
    if abs(start[1] + end[1]) < 1e-6 and are_opposite(unit_vector(*start), unit_vector(*end)):
        raise GeometryError(
            f"An edge can't join opposite points of the sky ({start[0]:g} {start[1]:g} and {end[0]:g} "
            f"{end[1]:g}): put a position between them."
        )


def _only_ring(value: object) -> Sequence[object]:
    """Give the outer ring of a GeoJSON Polygon that has no other."""
    if not isinstance(value, Mapping):
        raise GeometryError('An area must be a GeoJSON object with "type": "Polygon".')
    polygon = cast("Mapping[object, object]", value)
    if polygon.get("type") != "Polygon":
        raise GeometryError(f"An area's type must be Polygon, not {_brief(polygon.get('type'))}.")
    rings = _array(polygon.get("coordinates"))
    if not rings:
        raise GeometryError("A polygon's coordinates must be an array that holds one ring of positions.")
    if len(rings) > 1:
        raise GeometryError("A polygon with holes can't be kept: its coordinates may hold one ring only.")
    ring = _array(rings[0])
    if ring is None:
        raise GeometryError("A polygon's ring must be an array of [RA, Dec] positions.")
    return ring


def _array(value: object) -> Sequence[object] | None:
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else None


def _position(value: object, index: int) -> tuple[float, float]:
    numbers = _array(value)
    if numbers is None or len(numbers) < 2:
        raise GeometryError(
            f"Position {index} of a polygon's ring must be an array of two numbers, [RA, Dec]."
        )
    return _number(numbers[0], "RA", index), _number(numbers[1], "Dec", index)


def _number(value: object, axis: str, index: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GeometryError(f"The {axis} of position {index} must be a number, not {_brief(value)}.")
    try:
        return float(value)
    except OverflowError:
        raise GeometryError(f"The {axis} of position {index} is too large a number.") from None


def _brief(value: object) -> str:
    """Show a value of unknown size in a sentence."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if isinstance(value, int | float):
        return "a number"
    return "an object" if isinstance(value, Mapping) else "an array"
