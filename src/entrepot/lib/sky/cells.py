"""The whole sphere in 96 cells, and rings of any size cut up in them.

A cell is a sixteenth of a face of a cube whose faces project onto the sphere. The cube is turned so
that no meridian or parallel of note runs along a border.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from .pieces import area, determinant
from .plane import End, Frame, Rectangle
from .sphere import Quad, Vector, arcs, between, cross, dot, joined, unit
from .sweep import Budget

_LONGEST_CHORD = 1.0
_LINES = tuple(math.tan(math.radians(angle)) for angle in (-45.0, -22.5, 0.0, 22.5, 45.0))
_STEPS = range(4)

_FIRST = unit((0.8137, 0.4391, 0.3805))
_SECOND = unit(cross((-0.2713, 0.6529, 0.7071), _FIRST))
_AXES = (_FIRST, _SECOND, cross(_FIRST, _SECOND))
# For each face of the cube: which axes are its x, its y and, with a sign, its outward direction.
_FACES = ((0, 1, 2, 1.0), (1, 0, 2, -1.0), (1, 2, 0, 1.0), (2, 1, 0, -1.0), (2, 0, 1, 1.0), (0, 2, 1, -1.0))
_ORIGIN = unit((0.2718, -0.6137, 0.7411))
_ASIDE = unit(cross(_ORIGIN, (0.5772, 0.3183, -0.7517)))

_Cell = tuple[int, int, int]
_Ring = Sequence[Vector]


def cut_sphere(rings: Sequence[_Ring], budget: Budget) -> tuple[list[Quad], list[Quad]]:
    """Cut the sphere along rings: the pieces outside by the even-odd rule, and those inside.

    Inside is what has the smaller area. No edge may join opposite positions. Raises `GeometryError`
    when the budget is spent.
    """
    rings = [[v for a, b in arcs(ring) for v in joined(a, b, _LONGEST_CHORD)] for ring in rings]
    cells: defaultdict[_Cell, list[tuple[End, End]]] = defaultdict(list)
    for ring in rings:
        _share_out(ring, cells)
    sides: tuple[list[Quad], list[Quad]] = ([], [])
    crossings = _Crossings(rings)
    for cell, (rectangle, whole) in _CELLS.items():
        if cell in cells:
            even, odd = rectangle.cut(cells[cell], budget)
        else:
            budget.spend()
            even, odd = (whole,), ()
        turned = _is_turned(even, odd, crossings)
        sides[turned].extend(even)
        sides[not turned].extend(odd)
    if sum(map(area, sides[1])) > 2.0 * math.pi:
        return sides[1], sides[0]
    return sides[0], sides[1]


def _share_out(ring: _Ring, cells: defaultdict[_Cell, list[tuple[End, End]]]) -> None:
    """Put each edge, or what lies in it, into the cells that it goes through."""
    turned = [(dot(v, _AXES[0]), dot(v, _AXES[1]), dot(v, _AXES[2])) for v in ring]
    homes = [_home(position) for position in turned]
    for index, vector in enumerate(ring):
        home = homes[index]
        if home is not None and home == homes[index - 1]:
            ends = (ring[index - 1], turned[index - 1]), (vector, turned[index])
            one, other = (_end(v, _on_face(t, home[0])) for v, t in ends)
            cells[home].append((one, other))
            continue
        for cell, edge in _clipped(ring[index - 1], vector, turned[index - 1], turned[index]):
            cells[cell].append(edge)


def _on_face(turned: Vector, face: int) -> Vector:
    x, y, out, sign = _FACES[face]
    return turned[x], turned[y], sign * turned[out]


def _end(vector: Vector, on_face: Vector) -> End:
    x, y, weight = on_face
    return End(x / weight, y / weight, vector, weight, None)


def _home(turned: Vector) -> _Cell | None:
    """Find the cell in whose inside a position lies."""
    out = max(range(3), key=lambda k: abs(turned[k]))
    face = next(f for f in range(6) if _FACES[f][2] == out and _FACES[f][3] * turned[out] > 0.0)
    x, y, weight = _on_face(turned, face)
    steps: list[int] = []
    for along in (x, y):
        offsets = [along - line * weight for line in _LINES]
        step = next((k for k in _STEPS if offsets[k] > 0.0 > offsets[k + 1]), None)
        if step is None:
            return None
        steps.append(step)
    return face, steps[0], steps[1]


def _clipped(
    a: Vector, b: Vector, turned_a: Vector, turned_b: Vector
) -> Iterator[tuple[_Cell, tuple[End, End]]]:
    """Go through the cells that an arc has a part in, with that part."""
    for face in range(6):
        ends = _on_face(turned_a, face), _on_face(turned_b, face)
        if ends[0][2] <= 0.0 and ends[1][2] <= 0.0:
            continue
        offsets = [
            [(ends[0][k] - line * ends[0][2], ends[1][k] - line * ends[1][2]) for line in _LINES]
            for k in (0, 1)
        ]
        columns, rows = (_steps(offsets[k]) for k in (0, 1))
        for column in columns:
            for row in rows:
                edge = _part((a, b), ends, _borders(offsets, column, row))
                if edge is not None:
                    yield (face, column, row), edge


def _steps(offsets: Sequence[tuple[float, float]]) -> list[int]:
    """Find the strips that an edge isn't wholly to one side of."""
    return [k for k in _STEPS if max(offsets[k]) > 0.0 > min(offsets[k + 1])]


def _borders(
    offsets: Sequence[Sequence[tuple[float, float]]], column: int, row: int
) -> tuple[tuple[float, float], ...]:
    """Give how far inside each of a cell's borders the ends lie: left, right, floor and ceiling."""
    (left, right), (floor, ceiling) = offsets[0][column : column + 2], offsets[1][row : row + 2]
    return left, (-right[0], -right[1]), floor, (-ceiling[0], -ceiling[1])


def _part(
    arc: tuple[Vector, Vector],
    ends: tuple[Vector, Vector],
    borders: tuple[tuple[float, float], ...],
) -> tuple[End, End] | None:
    """Give the part of an arc that lies in a cell (Cyrus & Beck 1978)."""
    start, stop = 0.0, 1.0
    start_border = stop_border = None
    for border, (at_a, at_b) in enumerate(borders):
        if at_a <= 0.0 and at_b <= 0.0:
            return None
        if at_a <= 0.0 and at_a / (at_a - at_b) >= start:
            start, start_border = at_a / (at_a - at_b), border
        if at_b <= 0.0 and at_a / (at_a - at_b) <= stop:
            stop, stop_border = at_a / (at_a - at_b), border
    if start >= stop:
        return None
    return _cut_off(arc, ends, start, start_border), _cut_off(arc, ends, stop, stop_border)


def _cut_off(
    arc: tuple[Vector, Vector], ends: tuple[Vector, Vector], share: float, border: int | None
) -> End:
    if border is None:
        return _end(arc[0], ends[0]) if share == 0.0 else _end(arc[1], ends[1])
    (ax, ay, aw), (bx, by, bw) = ends
    x, y, weight = ax + share * (bx - ax), ay + share * (by - ay), aw + share * (bw - aw)
    vector = between(arc[0], arc[1], share)
    length = math.sqrt(x * x + y * y + weight * weight)
    return End(x / weight, y / weight, vector, weight / length, border)


def _is_turned(even: Sequence[Quad], odd: Sequence[Quad], crossings: _Crossings) -> bool:
    """Say whether the pieces called even have an odd number of edges between them and the origin."""
    largest = max((*even, *odd), key=area)
    a, b, c, d = largest
    middle = unit((a[0] + b[0] + c[0] + d[0], a[1] + b[1] + c[1] + d[1], a[2] + b[2] + c[2] + d[2]))
    return crossings.is_odd(middle) != any(quad is largest for quad in odd)


class _Crossings:
    """Counts how often rings are crossed on the way from one fixed position to others."""

    def __init__(self, rings: Sequence[_Ring]) -> None:
        self._rings = rings
        self._is_aside_odd = self._count(_ORIGIN, _ASIDE) % 2 == 1

    def is_odd(self, position: Vector) -> bool:
        if dot(_ORIGIN, position) > -0.5:
            return self._count(_ORIGIN, position) % 2 == 1
        return self._is_aside_odd != (self._count(_ASIDE, position) % 2 == 1)

    def _count(self, start: Vector, end: Vector) -> int:
        x, y, z = cross(start, end)
        count = 0
        for ring in self._rings:
            left = [x * v[0] + y * v[1] + z * v[2] > 0.0 for v in ring]
            for index, side in enumerate(left):
                if side != left[index - 1] and _cross(start, end, ring[index - 1], ring[index]):
                    count += 1
        return count


def _cross(start: Vector, end: Vector, a: Vector, b: Vector) -> bool:
    """Say whether two arcs cross; the second's ends lie on different sides of the first's circle."""
    from_start, from_end = determinant(a, b, start), determinant(a, b, end)
    if (from_start > 0.0) == (from_end > 0.0):
        return False
    circle = cross(start, end)
    on_edge = between(a, b, abs(dot(circle, a)) / (abs(dot(circle, a)) + abs(dot(circle, b))))
    on_way = between(start, end, abs(from_start) / (abs(from_start) + abs(from_end)))
    return dot(on_edge, on_way) > 0.0


def _cells() -> Iterator[tuple[_Cell, tuple[Rectangle, Quad]]]:
    for face, (x, y, out, sign) in enumerate(_FACES):
        centre = (sign * _AXES[out][0], sign * _AXES[out][1], sign * _AXES[out][2])
        frame = Frame(_AXES[x], _AXES[y], centre)
        for column in _STEPS:
            for row in _STEPS:
                left, right, floor, ceiling = *_LINES[column : column + 2], *_LINES[row : row + 2]
                a, b = frame.vector(left, floor), frame.vector(right, floor)
                c, d = frame.vector(right, ceiling), frame.vector(left, ceiling)
                yield (face, column, row), (Rectangle(frame, left, right, floor, ceiling), (a, b, c, d))


_CELLS = dict(_cells())
