"""Footprints of all kinds, drawn by chance from a seed."""

import math
import random
from dataclasses import dataclass

from entrepot.lib.sky import unit_vector
from tests.lib.sky.brute import Polygon, anywhere, degrees, on_arc, ring_around, turned

KINDS = (
    "square",
    "triangle",
    "sliver",
    "hull",
    "star",
    "turning twice",
    "scribble",
    "repeating",
    "touching itself",
    "tiles",
)
CENTRES = ((0.0, 0.0), (180.0, 0.0), (0.0, 90.0), (0.0, -90.0), (12.0, 89.9), (359.99, -45.0), (90.0, 0.0))


@dataclass
class Drawn:
    ring: list
    centre: tuple
    size: float  # radians
    polygon: Polygon
    is_simple: bool


def draw(seed, kind, exponent):
    """A footprint of a kind, of about 10**exponent radians."""
    chance = random.Random(f"{seed} {kind} {exponent}")
    size = min(10**exponent, 1.55)
    centre = unit_vector(*chance.choice(CENTRES)) if chance.random() < 0.5 else anywhere(chance)
    ring = RINGS[kind](chance, centre, size)
    if chance.random() < 0.5:
        ring.reverse()
    is_simple = kind in ("square", "triangle", "sliver", "hull", "star")
    return Drawn(ring, centre, size, Polygon(ring), is_simple)


def _square(chance, centre, size):
    return ring_around(centre, [size] * 4, chance.uniform(0, 7))


def _triangle(chance, centre, size):
    return ring_around(centre, [size * chance.uniform(0.3, 1) for _ in range(3)], chance.uniform(0, 7))


def _sliver(chance, centre, size):
    thin = size * chance.uniform(1e-5, 1e-3) if size > 1e-4 else size * 0.01
    return ring_around(centre, [size, thin, size, thin], chance.uniform(0, 7))


def _hull(chance, centre, size):
    return ring_around(centre, [size] * chance.randint(5, 30), chance.uniform(0, 7))


def _star(chance, centre, size):
    return ring_around(centre, [size * chance.uniform(0.3, 1) for _ in range(chance.randint(5, 24))])


def _twice(chance, centre, size):
    count = 2 * chance.randint(3, 8) + 1
    return ring_around(centre, [size * chance.uniform(0.5, 1) for _ in range(count)], turns=2)


def _scribble(chance, centre, size):
    return [
        degrees(turned(centre, size * chance.random(), chance.uniform(0, 7)))
        for _ in range(chance.randint(4, 12))
    ]


def _repeating(chance, centre, size):
    ring = _star(chance, centre, size)
    for _ in range(4):
        place = chance.randrange(len(ring))
        ring[place:place] = [ring[place]] * chance.randint(1, 3)
    return ring


def _touching(chance, centre, size):
    """Two lobes that share their corner, or the corner of one on the edge of the other."""
    first, second = (_triangle(chance, turned(centre, size / 2, k * 3.0), size / 2) for k in (0, 1))
    corner = unit_vector(*first[1]), unit_vector(*first[2])
    meeting = first[1] if chance.random() < 0.5 else degrees(on_arc(*corner, chance.random()))
    return [first[0], first[1], meeting, *second[:2], meeting, first[2]]


def _tiles(chance, centre, size):
    """Corners on a coarse grid along RA and Dec, so that edges coincide, cross in one point and touch."""
    ra, dec = degrees(centre)
    step = math.degrees(size) / 4
    dec = max(-89.0 + 3 * step, min(89.0 - 3 * step, dec))
    return [
        (ra + step * chance.randint(-2, 2), dec + step * chance.randint(-2, 2))
        for _ in range(chance.randint(4, 12))
    ]


RINGS = dict(
    zip(
        KINDS,
        (_square, _triangle, _sliver, _hull, _star, _twice, _scribble, _repeating, _touching, _tiles),
        strict=True,
    )
)


def positions(drawn, chance, count):
    """Positions everywhere and anywhere near, not on an edge but for rounding."""
    edges = drawn.polygon.edges()
    for _ in range(count):
        way = chance.random()
        if way < 0.15:
            position = anywhere(chance)
        elif way < 0.5:
            position = turned(
                drawn.centre, min(3.0, drawn.size * chance.uniform(0, 1.3)), chance.uniform(0, 7)
            )
        else:
            on_edge = on_arc(*chance.choice(edges), chance.random())
            position = turned(on_edge, drawn.size * 10 ** chance.uniform(-7, 0), chance.uniform(0, 7))
        if drawn.polygon.border(position) > 1e-12 + 1e-9 * drawn.size:
            yield position
