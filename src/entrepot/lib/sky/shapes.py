"""What a query's geometry is made of, as it was read, and the limits to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .polygon import MAX_POSITIONS, refuse_opposite
from .sphere import GeometryError, declination, right_ascension

Position = tuple[float, float]

MAX_DEPTH = 10
"""How deep collections may lie in each other."""

KINDS = "POINT, LINESTRING, POLYGON, their MULTI… forms and GEOMETRYCOLLECTION"


@dataclass(frozen=True, slots=True)
class Line:
    """Great-circle arcs from position to position, in degrees; a single position is a point."""

    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Polygon:
    """Closed rings, each without its first position's repetition; inside is what the even-odd rule says."""

    rings: tuple[tuple[Position, ...], ...]


Shape = Line | Polygon


class Drawing:
    """Takes the parts of a geometry as they are read, and checks each."""

    def __init__(self) -> None:
        self.shapes: list[Shape] = []
        self._positions = 0

    def position(self, numbers: Sequence[float]) -> Position:
        """Make a position of RA, Dec and up to two numbers that don't count."""
        if not 2 <= len(numbers) <= 4:
            raise GeometryError(
                f"A position is an RA and a Dec in degrees, and one of this geometry has {_count(numbers)}."
            )
        self._positions += 1
        if self._positions > MAX_POSITIONS:
            raise GeometryError(f"A geometry may have {MAX_POSITIONS:,} positions, and this has more.")
        return right_ascension(numbers[0]), declination(numbers[1])

    def point(self, position: Position) -> None:
        """Add a point."""
        self.shapes.append(Line((position,)))

    def line(self, positions: Sequence[Position]) -> None:
        """Add a line of at least two positions."""
        if len(positions) < 2:
            raise GeometryError(f"A line needs at least 2 positions, and this has {len(positions)}.")
        _refuse_opposite(positions)
        self.shapes.append(Line(tuple(positions)))

    def polygon(self, rings: Sequence[Sequence[Position]]) -> None:
        """Add a polygon of at least one ring, each of at least four positions, the last like the first."""
        if not rings:
            raise GeometryError("A polygon needs a ring of positions, and this has none.")
        for ring in rings:
            if len(ring) < 4:
                raise GeometryError(f"A polygon's ring needs at least 4 positions, and this has {len(ring)}.")
            if ring[0] != ring[-1]:
                raise GeometryError(
                    "A polygon's ring must be closed: its last position has to repeat the first."
                )
            _refuse_opposite(ring)
        self.shapes.append(Polygon(tuple(tuple(ring[:-1]) for ring in rings)))


def refuse_depth(depth: int) -> None:
    """Raise `GeometryError` for collections too deep in each other."""
    if depth > MAX_DEPTH:
        raise GeometryError(f"Collections may lie {MAX_DEPTH} deep in each other, and these lie deeper.")


def _refuse_opposite(positions: Sequence[Position]) -> None:
    for start, end in pairwise(positions):
        refuse_opposite(start, end)


def _count(numbers: Sequence[float]) -> str:
    return "one number" if len(numbers) == 1 else f"{len(numbers)} numbers"
