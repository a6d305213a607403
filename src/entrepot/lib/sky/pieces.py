"""Convex pieces of the sphere: what lies in them, and whether two of them have something in common.

A piece is a `Quad`: four vertices, counter-clockwise seen from outside, all within 20 degrees of
some centre; a triangle repeats its last vertex. An arc a–b is (a, a, b, b), a position is four
times the same. The sums are written out in the order in which the catalogue's SQL has them, so that
both give the same bits.
"""

from __future__ import annotations

import math

from .sphere import Quad, Vector, chord_squared, dot, minus

TOLERANCE = 1e-28
"""The square of the distance from an edge, in radians, within which a position is on it."""

_THIN = 4e-30
_NEAR = -0.5


def determinant(a: Vector, b: Vector, p: Vector) -> float:
    """Give the triple product of a, b and p, exactly 0 where p is a or b: > 0 left of the arc a–b."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    wx, wy, wz = p[0] - a[0], p[1] - a[1], p[2] - a[2]
    return a[0] * (uy * wz - uz * wy) + a[1] * (uz * wx - ux * wz) + a[2] * (ux * wy - uy * wx)


def quad_has(quad: Quad, vector: Vector) -> bool:
    """Say whether a position lies in a piece that has area, its border included."""
    for a, b in _edges(quad):
        if a != b:
            det = determinant(a, b, vector)
            if det < 0.0 and det * det > TOLERANCE * chord_squared(a, b):
                return False
    return dot(quad[0], vector) > 0.0


def quads_meet(one: Quad, other: Quad) -> bool:
    """Say whether two pieces share a point, be it of their borders.

    Where one of them has area, the edges of both tell (the separating-axis theorem, in a plane onto
    which great circles project as lines); of two arcs on the same great circle the ends do.
    """
    if dot(one[0], other[0]) <= _NEAR or _parts(one, other) or _parts(other, one):
        return False
    return not (_is_thin(one) and _is_thin(other)) or _arcs_meet(one, other)


def quads_overlap(one: Quad, other: Quad) -> bool:
    """Say whether a piece that has area shares inner points with another piece, arc or position."""
    if dot(one[0], other[0]) <= _NEAR:
        return False
    return not (_sets_apart(one, other) or _sets_apart(other, one))


def _edges(quad: Quad) -> tuple[tuple[Vector, Vector], ...]:
    a, b, c, d = quad
    return (a, b), (b, c), (c, d), (d, a)


def _parts(one: Quad, other: Quad) -> bool:
    """Say whether an edge of one piece has all of the other outside, with a gap."""
    for a, b in _edges(one):
        if a != b:
            limit = TOLERANCE * chord_squared(a, b)
            for vertex in other:
                det = determinant(a, b, vertex)
                if det >= 0.0 or det * det <= limit:
                    break
            else:
                return True
    return False


def _sets_apart(one: Quad, other: Quad) -> bool:
    """Say whether an edge of one piece has all of the other outside or on it."""
    for a, b in _edges(one):
        if a != b:
            limit = TOLERANCE * chord_squared(a, b)
            for vertex in other:
                det = determinant(a, b, vertex)
                if det > 0.0 and det * det > limit:
                    break
            else:
                return True
    return False


def _is_thin(quad: Quad) -> bool:
    return quad[0] == quad[1] and quad[2] == quad[3]


def _arcs_meet(one: Quad, other: Quad) -> bool:
    """Say so for arcs or positions that no edge of either sets apart."""
    return (
        _on_arc(one[0], one[2], other[0])
        or _on_arc(one[0], one[2], other[2])
        or _on_arc(other[0], other[2], one[0])
        or _on_arc(other[0], other[2], one[2])
        or _cross(one, other)
    )


def _on_arc(a: Vector, b: Vector, p: Vector) -> bool:
    if chord_squared(a, p) <= TOLERANCE or chord_squared(b, p) <= TOLERANCE:
        return True
    det = determinant(a, b, p)
    if a == b or det * det > TOLERANCE * chord_squared(a, b):
        return False
    return dot(minus(p, a), minus(b, a)) >= 0.0 and dot(minus(p, b), minus(a, b)) >= 0.0


def _cross(one: Quad, other: Quad) -> bool:
    """Say whether the ends of each arc lie on different sides of the other."""
    for arc, ends in ((one, other), (other, one)):
        limit = TOLERANCE * chord_squared(arc[0], arc[2])
        first, last = (determinant(arc[0], arc[2], ends[k]) for k in (0, 2))
        if min(first * first, last * last) <= limit or (first > 0.0) == (last > 0.0):
            return False
    return True


def lies_on(det: float, a: Vector, b: Vector) -> bool:
    """Say whether a position with this determinant is on the arc's great circle, but for rounding."""
    return det * det <= _THIN * chord_squared(a, b)


def piece(corners: list[Vector]) -> Quad | None:
    """Make a piece of 3 or 4 corners that go round counter-clockwise, unless it has no area.

    A corner on the line of its neighbours, but for rounding, is left out: a short edge there has no
    certain direction, and would cut off what lies far along it.
    """
    index = 0
    while index < len(corners) > 2:
        before, corner, after = corners[index - 1], corners[index], corners[(index + 1) % len(corners)]
        det = determinant(before, after, corner)
        if corner == before or lies_on(det, before, after):
            del corners[index]
            index = 0
        else:
            index += 1
    if len(corners) < 3:
        return None
    return (corners[0], corners[1], corners[2], corners[-1])


def area(quad: Quad) -> float:
    """Give the area of a piece in steradians (van Oosterom & Strackee 1983, by triangles)."""
    a, b, c, d = quad
    return _triangle(a, b, c) + _triangle(a, c, d)


def _triangle(a: Vector, b: Vector, c: Vector) -> float:
    return 2.0 * math.atan2(determinant(a, b, c), 1.0 + dot(a, b) + dot(b, c) + dot(c, a))


def distance_squared(quad: Quad, p: Vector) -> float:
    """Give the square of the chord from a position outside a piece to the nearest point of its border."""
    nearest = min(chord_squared(p, vertex) for vertex in quad)
    for a, b in _edges(quad):
        square = chord_squared(a, b)
        if a != b and _foot_within(a, b, p, square):
            sine = min(1.0, abs(determinant(a, b, p)) / math.sqrt(square * (1.0 - square / 4.0)))
            half = math.sin(math.asin(sine) / 2.0)
            nearest = min(nearest, 4.0 * half * half)
    return nearest


def border_within(quad: Quad, p: Vector, chord: float, sine: float) -> bool:
    """Say whether the border of a piece comes as near to a position as an angle of up to 90 degrees.

    The angle is given by the squares of its chord and its sine.
    """
    for a, b in _edges(quad):
        if chord_squared(a, p) <= chord:
            return True
        square = chord_squared(a, b)
        if a != b and _foot_within(a, b, p, square):
            det = determinant(a, b, p)
            if det * det <= sine * square * (1.0 - square / 4.0):
                return True
    return False


def _foot_within(a: Vector, b: Vector, p: Vector, square: float) -> bool:
    """Say whether an arc's great circle is nearest to p on the arc itself; its chord's square is given."""
    cosine = 1.0 - square / 2.0
    to_a, to_b = dot(p, a), dot(p, b)
    return to_b >= cosine * to_a and to_a >= cosine * to_b
