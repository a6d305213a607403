"""Areas on the sphere, cut into convex pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .cells import cut_sphere
from .pieces import determinant, lies_on, piece, quad_has
from .plane import Rectangle, frame_at, project
from .polygon import Footprint
from .sphere import (
    PIECE_RADIUS,
    Box,
    Quad,
    Vector,
    arcs,
    axes_within,
    box_around,
    box_with,
    centre_of,
    dot,
    unit_vector,
)
from .sweep import Budget

# The corners of a rectangle around this radius are still within that of a piece.
_CELL_RADIUS = 14.0


@dataclass(frozen=True, slots=True)
class Cover:
    """A footprint in pieces.

    A convex footprint has no pieces outside. Another's inside and outside together fill a convex
    area that holds the footprint, or the sphere. The box holds all that is inside.
    """

    inside: tuple[Quad, ...]
    outside: tuple[Quad, ...]
    box: Box | None


def cover(footprint: Footprint) -> Cover:
    """Cut a footprint into pieces: its inside by the even-odd rule, and enough of what is outside.

    A footprint without area gives an empty cover. Raises `GeometryError` for one that falls into
    more than `sweep.MAX_PIECES` pieces.
    """
    ring = without_repeats([unit_vector(ra, dec) for ra, dec in footprint.vertices])
    inside, outside = decompose([ring], Budget())
    if not inside:
        return Cover((), (), None)
    return Cover(tuple(inside), tuple(outside), box_of_area([ring], inside))


def without_repeats(ring: Sequence[Vector]) -> list[Vector]:
    """Leave out positions that equal the one before, round the ring."""
    return [vector for index, vector in enumerate(ring) if vector != ring[index - 1]]


def decompose(rings: Sequence[list[Vector]], budget: Budget) -> tuple[Sequence[Quad], Sequence[Quad]]:
    """Cut what rings enclose by the even-odd rule into convex pieces, and what is around it.

    Raises `GeometryError` when the budget is spent.
    """
    rings = [ring for ring in rings if len(ring) > 2]
    vectors = [vector for ring in rings for vector in ring]
    if not vectors:
        return (), ()
    centre = centre_of(vectors)
    reach = min(dot(centre, vector) for vector in vectors) if centre is not None else -1.0
    if centre is None or reach < math.cos(math.radians(PIECE_RADIUS)):
        outside, inside = cut_sphere(rings, budget)
        return inside, outside
    convex = _convex(rings[0], centre, budget) if len(rings) == 1 else None
    if convex is not None:
        return convex, ()
    if reach < math.cos(math.radians(_CELL_RADIUS)):
        outside, inside = cut_sphere(rings, budget)
        return inside, outside
    return _cut_cell(rings, centre, budget)


def _cut_cell(
    rings: Sequence[list[Vector]], centre: Vector, budget: Budget
) -> tuple[Sequence[Quad], Sequence[Quad]]:
    frame = frame_at(centre)
    ends = [[project(frame, vector) for vector in ring] for ring in rings]
    x, y = [end.x for ring in ends for end in ring], [end.y for ring in ends for end in ring]
    rectangle = Rectangle(frame, min(x), max(x), min(y), max(y))
    edges = [(ring[index - 1], end) for ring in ends for index, end in enumerate(ring)]
    outside, inside = rectangle.cut(edges, budget)
    return inside, outside


def _convex(ring: list[Vector], centre: Vector, budget: Budget) -> list[Quad] | None:
    """Give the pieces of a ring that turns one way at every vertex, and goes round once."""
    left = _turns_left(ring)
    if left is None:
        return None
    corners = ring if left else ring[::-1]
    if len(corners) > 4:
        return _fan(corners, centre, budget)
    quad = piece(list(corners))
    return [] if quad is None else [quad]


def _turns_left(ring: list[Vector]) -> bool | None:
    """Say whether a ring turns left at every vertex (True), or right (False), or neither."""
    left: bool | None = None
    for index, corner in enumerate(ring):
        before, after = ring[index - 1], ring[(index + 1) % len(ring)]
        turn = determinant(before, corner, after)
        if lies_on(turn, before, after) or left is (turn < 0.0):
            return None
        left = turn > 0.0
    return left


def _fan(corners: list[Vector], centre: Vector, budget: Budget) -> list[Quad] | None:
    frame = frame_at(centre)
    # From a corner on the border of a half-plane that holds all, angles can't add up to a full turn.
    first = min(range(len(corners)), key=lambda index: project(frame, corners[index]).x)
    corners = corners[first:] + corners[:first]
    start = corners[0]
    for near, far in pairwise(corners[1:]):
        det = determinant(near, far, start)
        if det <= 0.0 or lies_on(det, near, far):
            return None
    quads: list[Quad] = []
    for index in range(1, len(corners) - 1, 2):
        budget.spend()
        quad = piece([start, *corners[index : index + 3]])
        if quad is not None:
            quads.append(quad)
    return quads


def box_of_area(rings: Sequence[Sequence[Vector]], inside: Sequence[Quad]) -> Box:
    """Give the box of what rings enclose, whose pieces are given."""
    box = box_around(edge for ring in rings for edge in arcs(ring))
    for axis, sign, vector in axes_within(box):
        if any(quad_has(quad, vector) for quad in inside):
            box = box_with(box, axis, sign)
    return box
