"""Edges in a plane that lie over each other, upright, along the border, and cross in one point."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.lib.sky import quad_has
from entrepot.lib.sky.plane import CEILING, FLOOR, LEFT, RIGHT, End, Frame, Rectangle
from entrepot.lib.sky.sweep import Budget

FRAME = Frame((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
SIDE = 0.25
CELL = Rectangle(FRAME, 0.0, SIDE, 0.0, SIDE)


def end(x, y, border=None):
    return End(x, y, FRAME.vector(x, y), 1 / math.sqrt(1 + x * x + y * y), border)


def cut(edges):
    return CELL.cut([(end(*one), end(*other)) for one, other in edges], Budget())


def has(quads, x, y):
    return any(quad_has(quad, FRAME.vector(x, y)) for quad in quads)


def edges_below(corners, x, y):
    count = 0
    for k, (x2, y2) in enumerate(corners):
        x1, y1 = corners[k - 1]
        if (x1 > x) != (x2 > x) and y1 + (y2 - y1) * (x - x1) / (x2 - x1) < y:
            count += 1
    return count


@settings(derandomize=True, deadline=None, database=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=14), st.integers())
def test_rings_on_a_lattice(places, seed):
    corners = [(SIDE * x / 4, SIDE * y / 4) for x, y in places]
    outside, inside = cut([(corners[k - 1], corner) for k, corner in enumerate(corners)])
    chance = random.Random(seed)
    for _ in range(12):
        x, y = chance.random() * SIDE, chance.random() * SIDE
        expected = edges_below(corners, x, y) % 2 == 1
        assert has(inside, x, y) is expected
        assert has(outside, x, y) is not expected


@pytest.mark.parametrize(
    ("edges", "even", "odd"),
    [
        ([], [(0.1, 0.1)], []),
        ([((0.1, 0, FLOOR), (0.1, SIDE, CEILING))], [(0.05, 0.1), (0.05, 0.2)], [(0.2, 0.1), (0.2, 0.2)]),
        ([((0.1, SIDE, CEILING), (0.1, 0, FLOOR))], [(0.05, 0.1), (0.05, 0.2)], [(0.2, 0.1), (0.2, 0.2)]),
        (
            [((0.1, 0, FLOOR), (0.1, SIDE, CEILING)), ((0.1, 0, FLOOR), (0.1, SIDE, CEILING))],
            [(0.05, 0.1), (0.2, 0.2)],
            [],
        ),
        ([((0.1, 0, FLOOR), (0.1, 0.1)), ((0.1, 0.1), (SIDE, 0.1, RIGHT))], [(0.05, 0.2)], [(0.2, 0.05)]),
        ([((0.1, SIDE, CEILING), (0.1, 0.1)), ((0.1, 0.1), (0, 0.1, LEFT))], [(0.2, 0.05)], [(0.05, 0.2)]),
        ([((0, 0.1, LEFT), (SIDE, 0.1, RIGHT))], [(0.05, 0.05), (0.2, 0.05)], [(0.05, 0.2), (0.2, 0.2)]),
        ([((0, 0.1, LEFT), (0, 0.2, LEFT))], [(0.05, 0.05), (0.1, 0.15), (0.2, 0.2)], []),
        ([((0, 0, FLOOR), (SIDE, SIDE, CEILING))], [(0.05, 0.1)], [(0.1, 0.05)]),
        (
            [((0, 0.1, LEFT), (0.1, 0, FLOOR)), ((SIDE, 0.1, RIGHT), (0.15, SIDE, CEILING))],
            [(0.02, 0.02), (0.24, 0.24)],
            [(0.1, 0.1), (0.02, 0.2), (0.2, 0.02)],
        ),
    ],
)
def test_edges_that_the_border_cuts_off(edges, even, odd):
    """Which side is called even doesn't count, but which positions are on the same side does."""
    sides = cut(edges)
    first = sides if has(sides[0], *even[0]) else sides[::-1]
    assert all(has(first[0], *position) and not has(first[1], *position) for position in even)
    assert all(has(first[1], *position) and not has(first[0], *position) for position in odd)


@pytest.mark.parametrize(("height", "beyond"), [(0.2, 0.05), (0.05, 0.2)])
def test_a_corner_on_an_edge_leaves_the_piece_beyond_whole(height, beyond):
    ends = [(0.05, height), (0.125, 0.125), (0.2, height)]
    edges = [((0, 0.125, LEFT), (SIDE, 0.125, RIGHT)), *((ends[k - 1], ends[k]) for k in range(3))]
    pieces = [quad for side in cut(edges) for quad in side]
    assert len([quad for quad in pieces if has([quad], 0.03, beyond) and has([quad], 0.22, beyond)]) == 1
