"""A rectangle of a plane onto which the sphere projects from its centre, and edges cut up in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .sphere import Quad, Vector, cross, dot, minus, unit
from .sweep import Budget, Node, Segment, trapezoids

LEFT, RIGHT, FLOOR, CEILING = range(4)

_GRID_BITS = 60
# No edge may be vertical, so positions above each other differ in these last bits of their x.
_RANK_BITS = 20

_ASLANT = (math.cos(0.2731), math.sin(0.2731))


@dataclass(frozen=True, slots=True)
class Frame:
    """The plane that touches the sphere at `centre`, with right-handed axes seen from outside."""

    x_axis: Vector
    y_axis: Vector
    centre: Vector

    def vector(self, x: float, y: float) -> Vector:
        """Give the unit vector of a point of the plane."""
        along, up, out = self.x_axis, self.y_axis, self.centre
        return unit(
            (
                out[0] + x * along[0] + y * up[0],
                out[1] + x * along[1] + y * up[1],
                out[2] + x * along[2] + y * up[2],
            )
        )


class End(NamedTuple):
    """An end of an edge in the plane, and the border of the rectangle that cut it off there, if one did."""

    x: float
    y: float
    vector: Vector
    weight: float
    border: int | None


def frame_at(centre: Vector) -> Frame:
    """Give the plane at a position, its axes at an odd angle to the meridian.

    Edges along meridians would else be nearly vertical, and the pieces beside them needles, whose
    points reach farther than they should where a position counts as on an edge.
    """
    east = unit(cross((0.0, 0.0, 1.0) if abs(centre[2]) < 0.99 else (1.0, 0.0, 0.0), centre))
    north = cross(centre, east)
    x, y, z = (_ASLANT[0] * east[k] + _ASLANT[1] * north[k] for k in range(3))
    x_axis = unit((x, y, z))
    return Frame(x_axis, cross(centre, x_axis), centre)


def project(frame: Frame, vector: Vector) -> End:
    """Bring a position on the plane's side of the sphere into the plane."""
    offset, weight = minus(vector, frame.centre), dot(vector, frame.centre)
    return End(dot(offset, frame.x_axis) / weight, dot(offset, frame.y_axis) / weight, vector, weight, None)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of a plane, between coordinates of its frame."""

    frame: Frame
    left: float
    right: float
    floor: float
    ceiling: float

    def cut(self, edges: Iterable[tuple[End, End]], budget: Budget) -> tuple[Sequence[Quad], Sequence[Quad]]:
        """Cut the rectangle along edges that lie in it; see `sweep.trapezoids`."""
        extent = max(self.right - self.left, self.ceiling - self.floor)
        if extent <= 0.0:
            return (), ()
        grid = _Grid(self, _GRID_BITS - math.frexp(extent)[1])
        floor = self._border(grid, self.floor, 0)
        ceiling = self._border(grid, self.ceiling, grid.top)
        return trapezoids(grid.segments(list(edges)), floor, ceiling, budget)

    def _border(self, grid: _Grid, y: float, row: int) -> Segment:
        nodes: list[Node] = []
        for x, column in ((self.left, 0), (self.right, grid.end)):
            vector = self.frame.vector(x, y)
            nodes.append(Node(column, row, vector, dot(vector, self.frame.centre)))
        return Segment(nodes[0], nodes[1])


class _Grid:
    """Whole numbers for the coordinates within a rectangle."""

    def __init__(self, rectangle: Rectangle, scale: int) -> None:
        self._rectangle = rectangle
        self._scale = scale
        self._columns = self._place(rectangle.right - rectangle.left)
        self.top = self._place(rectangle.ceiling - rectangle.floor)
        self.end = ((self._columns + 1) << _RANK_BITS) - 1

    def _place(self, offset: float) -> int:
        return int(math.ldexp(offset, self._scale))

    def segments(self, edges: list[tuple[End, End]]) -> list[Segment]:
        """Give the edges on the grid, without those of no length and those along the left or right border."""
        ranks = self._ranks(end for edge in edges for end in edge)
        segments: list[Segment] = []
        for edge in edges:
            one, other = (self._node(end, ranks) for end in edge)
            if one.x == other.x:
                if one.y == other.y or one.x in (0, self.end):
                    continue
                # An end that a border cut off belongs to this edge alone.
                (one if edge[0].border is not None else other).x += 1
            segments.append(Segment(one, other))
        return segments

    def _ranks(self, ends: Iterable[End]) -> dict[tuple[int, int], int]:
        ranks: dict[tuple[int, int], int] = {}
        column, rank = -1, 0
        for place in sorted({self._point(end) for end in ends if end.border is None}):
            rank = rank + 1 if place[0] == column else 0
            column = place[0]
            ranks[place] = rank
        return ranks

    def _point(self, end: End) -> tuple[int, int]:
        x, y = self._place(end.x - self._rectangle.left), self._place(end.y - self._rectangle.floor)
        return max(0, min(x, self._columns)), max(0, min(y, self.top))

    def _node(self, end: End, ranks: dict[tuple[int, int], int]) -> Node:
        x, y = self._point(end)
        if end.border is None:
            return Node((x << _RANK_BITS) + ranks[x, y], y, end.vector, end.weight)
        column = {LEFT: 0, RIGHT: self.end}.get(end.border, x << _RANK_BITS)
        row = {FLOOR: 0, CEILING: self.top}.get(end.border, y)
        return Node(column, row, end.vector, end.weight)
