"""Slow and simple answers about polygons on the sphere, in whole numbers, to hold the library against."""

import math
import random
from fractions import Fraction

from entrepot.lib.sky import unit_vector

SCALE = 1 << 110


def exact(vector):
    """The vector's bits as whole numbers; what is below 1e-33 doesn't count."""
    return tuple(int(Fraction(c) * SCALE) for c in vector)


def sign(a, b, c):
    """On which side of the arc a–b does c lie?"""
    det = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        + a[1] * (b[2] * c[0] - b[0] * c[2])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    return (det > 0) - (det < 0)


def cross(p, o, a, b):
    """Do two arcs cross in a point that is inside both?"""
    s1, s2, s3, s4 = sign(p, o, a), sign(p, o, b), sign(a, b, p), sign(a, b, o)
    return s1 * s2 < 0 and s3 * s4 < 0 and s1 * s4 > 0


class Polygon:
    """Rings of positions in degrees; `outside` is a position that isn't inside."""

    def __init__(self, *rings, outside=None):
        self.rings = [[unit_vector(*position) for position in ring] for ring in rings]
        self.exact_rings = [[exact(v) for v in ring] for ring in self.rings]
        self.outside = exact(outside or self._far())

    def _far(self):
        x, y, z = (sum(v[k] for ring in self.rings for v in ring) for k in range(3))
        return turned(unit((-x, -y, -z)), 0.0123, 1.0)

    def edges(self):
        return [(ring[k - 1], ring[k]) for ring in self.rings for k in range(len(ring))]

    def exact_edges(self):
        return [(ring[k - 1], ring[k]) for ring in self.exact_rings for k in range(len(ring))]

    def has(self, vector):
        """Is a position inside by the even-odd rule? Asked of none that is on an edge."""
        position = exact(vector)
        return sum(cross(position, self.outside, a, b) for a, b in self.exact_edges()) % 2 == 1

    def border(self, vector):
        """How far is the nearest edge, in radians, or a little more?"""
        return min(near_arc(a, b, vector) for a, b in self.edges())

    def crosses(self, other):
        return any(cross(a, b, c, d) for a, b in self.exact_edges() for c, d in other.exact_edges())

    def vertices(self):
        return [v for ring in self.rings for v in ring]

    def meets(self, other):
        return (
            self.crosses(other)
            or any(map(other.has, self.vertices()))
            or any(map(self.has, other.vertices()))
        )

    def contains(self, other):
        return (
            not self.crosses(other)
            and not any(map(other.has, self.vertices()))
            and self.has(other.rings[0][0])
        )


def unit(v):
    length = math.hypot(*v)
    return tuple(c / length for c in v)


def cross_product(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def angle(a, b):
    return 2 * math.asin(min(1.0, math.dist(a, b) / 2))


def turned(centre, distance, direction):
    """The position at a distance from a centre, in radians, in some direction."""
    side = unit(cross_product((0.0, 0.0, 1.0) if abs(centre[2]) < 0.9 else (1.0, 0.0, 0.0), centre))
    up = cross_product(centre, side)
    x, y = math.sin(distance) * math.cos(direction), math.sin(distance) * math.sin(direction)
    rest = -2 * math.sin(distance / 2) ** 2
    return unit(tuple(centre[k] + rest * centre[k] + x * side[k] + y * up[k] for k in range(3)))


def on_arc(a, b, share):
    """The position at a share of the arc's angle."""
    whole = angle(a, b)
    if whole == 0:
        return a
    first, second = math.sin((1 - share) * whole), math.sin(share * whole)
    return unit(tuple(first * a[k] + second * b[k] for k in range(3)))


def near_arc(a, b, p):
    """The distance to an arc, nearly."""
    ends = min(math.dist(a, p), math.dist(b, p))
    offset = tuple(b[k] - a[k] for k in range(3))
    pole = cross_product(a, offset)
    length = math.hypot(*pole)
    if (
        length == 0
        or sum(offset[k] * (p[k] - a[k]) for k in range(3)) * sum(offset[k] * (p[k] - b[k]) for k in range(3))
        > 0
    ):
        return ends
    return min(ends, abs(sum(pole[k] * (p[k] - a[k]) for k in range(3))) / length)


def arc_distance(a, b, p):
    """By golden-section search: the distance to an arc's points has one minimum where it is less than 90°."""
    stops = [k / 16 for k in range(17)]
    best = min(stops, key=lambda share: angle(on_arc(a, b, share), p))
    low, high = max(0.0, best - 1 / 16), min(1.0, best + 1 / 16)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(45):
        one, other = high - golden * (high - low), low + golden * (high - low)
        if angle(on_arc(a, b, one), p) < angle(on_arc(a, b, other), p):
            high = other
        else:
            low = one
    return min(angle(on_arc(a, b, share), p) for share in (low, high, 0.0, 1.0))


def degrees(vector):
    """RA and Dec of a vector."""
    return math.degrees(math.atan2(vector[1], vector[0])), math.degrees(
        math.atan2(vector[2], math.hypot(vector[0], vector[1]))
    )


def anywhere(chance: random.Random):
    """A position drawn evenly from the sphere."""
    z, turn = chance.uniform(-1, 1), chance.uniform(0, 2 * math.pi)
    across = math.sqrt(1 - z * z)
    return (across * math.cos(turn), across * math.sin(turn), z)


def ring_around(centre, distances, start=0.0, turns=1):
    """A ring of positions in degrees, at distances in radians from its centre, that goes round it."""
    count = len(distances)
    return [
        degrees(turned(centre, distance, start + 2 * math.pi * turns * k / count))
        for k, distance in enumerate(distances)
    ]
