"""Footprints cut into convex pieces, against counting edges in whole numbers."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.lib.sky import (
    PIECE_RADIUS,
    Footprint,
    GeometryError,
    cover,
    quad_has,
    unit_vector,
)
from tests.lib.sky.brute import Polygon, angle, anywhere, degrees, on_arc, ring_around, turned, unit
from tests.lib.sky.shapes import KINDS, draw, positions

QUICK = settings(derandomize=True, deadline=None, database=None, max_examples=25)
seeds = st.integers(0, 10**9)
exponents = st.floats(-7.7, 0.2)


def has(quads, position):
    return any(quad_has(quad, position) for quad in quads)


def covered(ring):
    return cover(Footprint(tuple(ring)))


def determinant(a, b, c):
    u, w = [b[k] - a[k] for k in range(3)], [c[k] - a[k] for k in range(3)]
    return (
        a[0] * (u[1] * w[2] - u[2] * w[1])
        + a[1] * (u[2] * w[0] - u[0] * w[2])
        + a[2] * (u[0] * w[1] - u[1] * w[0])
    )


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(seed=seeds, exponent=exponents)
def test_a_position_is_inside_where_counting_edges_says_so(kind, seed, exponent):
    drawn = draw(seed, kind, exponent)
    pieces = covered(drawn.ring)
    for position in positions(drawn, random.Random(seed), 30):
        inside = drawn.polygon.has(position)
        assert has(pieces.inside, position) == inside
        if inside or drawn.size > 0.5:
            assert has(pieces.outside, position) == (not inside and bool(pieces.outside))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "tiles"])
@QUICK
@given(seed=seeds, exponent=exponents)
def test_corners_and_edges_are_covered(kind, seed, exponent):
    drawn = draw(seed, kind, exponent)
    pieces = covered(drawn.ring)
    for turns in (-1, 0, 1):
        assert all(has(pieces.inside, unit_vector(ra + 360 * turns, dec)) for ra, dec in drawn.ring)
    for a, b in drawn.polygon.edges():
        assert has(pieces.inside, on_arc(a, b, 0.3))


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(seed=seeds, exponent=exponents)
def test_pieces_are_convex_go_counterclockwise_and_are_small(kind, seed, exponent):
    pieces = covered(draw(seed, kind, exponent).ring)
    for quad in (*pieces.inside, *pieces.outside):
        corners = list(dict.fromkeys(quad))
        assert len(corners) >= 3
        assert list(quad[: len(corners)]) == corners
        for k, corner in enumerate(corners):
            assert determinant(corners[k - 2], corners[k - 1], corner) > 0
        assert all(angle(a, b) < math.radians(2 * PIECE_RADIUS) for a in corners for b in corners)


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(seed=seeds, exponent=exponents)
def test_the_box_holds_all_that_is_inside(kind, seed, exponent):
    drawn = draw(seed, kind, exponent)
    chance = random.Random(seed)
    pieces = covered(drawn.ring)
    for quad in pieces.inside:
        for _ in range(5):
            a, b, c = (on_arc(*pair, chance.random()) for pair in (quad[:2], quad[2:], quad[::2]))
            position = on_arc(on_arc(a, b, chance.random()), c, chance.random())
            assert all(
                low <= x <= high
                for low, x, high in zip(pieces.box.low, position, pieces.box.high, strict=True)
            )


@pytest.mark.parametrize("size", [1e-6, 0.01, 1, 30, 80])
def test_the_box_is_hardly_larger_than_what_is_inside(size):
    centre = unit_vector(33, 21)
    box = covered(ring_around(centre, [math.radians(size)] * 200)).box
    for k in range(3):
        across = math.acos(centre[k])
        high = math.cos(max(0.0, across - math.radians(size)))
        low = math.cos(across + math.radians(size))
        assert box.high[k] == pytest.approx(high, abs=math.radians(size) * 1e-3 + 1e-11)
        assert box.low[k] == pytest.approx(low, abs=math.radians(size) * 1e-3 + 1e-11)


def signed_area(ring):
    """The area of a ring from the turns at its corners (Gauss–Bonnet), or in the plane when it is tiny."""
    vectors = [unit_vector(*position) for position in ring]
    if max(math.dist(vectors[0], v) for v in vectors) < 1e-3:
        centre = unit([sum(v[k] for v in vectors) for k in range(3)])
        return sum(determinant(centre, vectors[k - 1], v) / 2 for k, v in enumerate(vectors))
    turns = 0.0
    for k, here in enumerate(vectors):
        before, after = vectors[k - 1], vectors[(k + 1) % len(vectors)]
        one = unit([x - here[j] * sum(map(float.__mul__, here, before)) for j, x in enumerate(before)])
        two = unit([x - here[j] * sum(map(float.__mul__, here, after)) for j, x in enumerate(after)])
        turns += math.atan2(-determinant(here, one, two), -sum(map(float.__mul__, one, two)))
    return 2 * math.pi - turns


def quad_area(quad):
    return abs(signed_area([degrees(v) for v in dict.fromkeys(quad)]))


@pytest.mark.parametrize("kind", ["square", "triangle", "hull", "star"])
@QUICK
@given(seed=seeds, exponent=st.floats(-5, 0.19))
def test_the_pieces_add_up_to_the_area(kind, seed, exponent):
    drawn = draw(seed, kind, exponent)
    whole = abs(signed_area(drawn.ring))
    whole = min(whole, 4 * math.pi - whole)
    assert sum(map(quad_area, covered(drawn.ring).inside)) == pytest.approx(whole, rel=2e-3, abs=1e-12)


SQUARE = [(10, 40), (20, 40), (20, 50), (10, 50)]


def test_edges_are_great_circles():
    pieces = covered(SQUARE)
    assert not has(pieces.inside, unit_vector(15, 40))
    assert not has(pieces.inside, unit_vector(15, 40.10))
    assert has(pieces.inside, unit_vector(15, 40.11))
    assert has(pieces.inside, unit_vector(15, 50.10))
    assert not has(pieces.inside, unit_vector(15, 50.11))


def test_a_convex_footprint_is_one_piece_of_its_very_corners():
    pieces = covered(SQUARE)
    corners = tuple(unit_vector(*position) for position in SQUARE)
    assert pieces.inside == (corners[3:] + corners[:3],) or set(pieces.inside[0]) == set(corners)
    assert len(pieces.inside) == 1
    assert pieces.outside == ()
    assert covered(SQUARE[::-1]).inside[0] in [corners[k:] + corners[:k] for k in range(4)]


@pytest.mark.parametrize(
    ("ring", "inside", "outside"),
    [
        (
            [(359, -1), (1, -1), (1, 1), (359, 1)],
            [(0, 0), (360, 0.9), (-0.9, 0)],
            [(180, 0), (2, 0), (358, 0)],
        ),
        ([(0, 89), (90, 89), (180, 89), (270, 89)], [(0, 90), (77, 89.5)], [(45, 89), (0, -90), (0, 88.9)]),
        ([(0, -60), (120, -60), (240, -60)], [(5, -90), (60, -85)], [(60, -60), (0, 90)]),
        ([(0, 90), (0, 0), (90, 0)], [(45, 45), (1, 1), (0, 90), (8, 90)], [(-1, 45), (45, -1), (225, -45)]),
        ([(0, -5), (120, -5), (240, -5)], [(0, -90), (0, -6)], [(0, 90), (0, -4), (60, -5)]),
        ([(0, 5), (120, 5), (240, 5)], [(0, 90), (0, 6)], [(0, -90), (0, 4), (60, 5)]),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], [(0.1, 0.5), (0.9, 0.5)], [(0.5, 0.1), (0.5, 0.9)]),
        ([(0, 0), (2, 0), (2, 2), (1, 2), (1, 1), (0, 1)], [(1.5, 1.5), (0.5, 0.5)], [(0.5, 1.5)]),
        # a square with a square hole, by an edge that goes there and back
        (
            [(0, 0), (9, 0), (9, 9), (0, 9), (0, 0), (3, 3), (6, 3), (6, 6), (3, 6), (3, 3)],
            [(1, 4), (8, 4), (4, 1), (4, 8)],
            [(4, 4), (10, 4)],
        ),
        # twice the same ring: nothing is left of what both hold
        (
            [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (4, 0), (4, 4), (2, 6), (0, 4)],
            [(2, 5)],
            [(2, 2), (2, 3.9)],
        ),
    ],
)
def test_known_footprints(ring, inside, outside):
    pieces = covered(ring)
    for position in inside:
        assert has(pieces.inside, unit_vector(*position)), position
    for position in outside:
        assert not has(pieces.inside, unit_vector(*position)), position


@pytest.mark.parametrize(
    "ring",
    [
        [(5, 5), (5, 5), (5, 5)],
        [(0, 0), (1, 0), (2, 0)],
        [(0, 0), (0, 10), (0, 5), (0, 20)],
        [(0, 0), (1, 1), (0, 0), (1, 1)],
        [(0, 90), (50, 90), (70, 90), (90, 90)],
        [(0, 0), (90, 0), (170, 0), (90, 0)],
        [(0, 0), (1, 0), (1, 1), (0, 1)] * 2,
    ],
)
def test_a_footprint_without_area_covers_nothing(ring):
    pieces = covered(ring)
    assert pieces.inside == ()
    assert pieces.box is None


@pytest.mark.parametrize("width", [1e-5, 1e-8, 3e-12])
def test_the_thinnest_needle_is_covered(width):
    """The last is 10 nanoarcseconds wide."""
    needle = [(5, 5), (5.00001, 5), (5.00001, 5 + width), (5.000005, 5 + width / 2), (5, 5 + width)]
    pieces = covered(needle)
    assert all(has(pieces.inside, unit_vector(*position)) for position in needle)
    assert has(pieces.inside, unit_vector(5.000005, 5 + width / 4))
    assert not has(pieces.inside, unit_vector(5.000005, 5 - width))
    assert not has(pieces.inside, unit_vector(5.000005, 5 + 2 * width))


@pytest.mark.parametrize("turn", [0, 0.3, 45, 200])
@pytest.mark.parametrize("tilt", [0, 1, 90])
def test_a_band_around_more_than_a_hemisphere_is_the_smaller_side(turn, tilt):
    """A ring that waves around a small circle of 100 degrees: the other 80 degrees are meant."""
    centre = turned(unit_vector(turn, 90), math.radians(tilt), 0.5)
    ring = ring_around(centre, [math.radians(100 + 4 * (k % 2)) for k in range(20)])
    pieces = covered(ring)
    truth = Polygon(ring, outside=centre)
    chance = random.Random(f"{turn} {tilt}")
    for _ in range(100):
        position = anywhere(chance)
        assert has(pieces.inside, position) == truth.has(position)
        assert has(pieces.outside, position) != truth.has(position)


@QUICK
@given(seed=seeds)
def test_rings_of_long_edges_across_the_whole_sphere(seed):
    """By the even-odd rule a position and another differ as the number of edges between them says."""
    chance = random.Random(seed)
    ring = [degrees(anywhere(chance)) for _ in range(chance.randint(3, 7))]
    pieces = covered(ring)
    truth = Polygon(ring, outside=anywhere(chance))
    differ = set()
    for _ in range(60):
        position = anywhere(chance)
        assert has(pieces.inside, position) != has(pieces.outside, position)
        differ.add(has(pieces.inside, position) != truth.has(position))
    assert len(differ) == 1
    assert sum(map(quad_area, pieces.inside)) < 2 * math.pi * 1.001


def wave(count, size):
    return ring_around(unit_vector(80, -30), [size * (1 + 0.002 * (k % 2)) for k in range(count)])


@pytest.mark.parametrize(("count", "size"), [(9_999, 1e-5), (9_999, 0.1), (9_900, 0.9)])
def test_many_vertices_are_no_trouble(count, size):
    ring = wave(count, size)
    pieces = covered(ring)
    chance = random.Random(count)
    truth = Polygon(ring)
    for _ in range(5):
        position = turned(unit_vector(80, -30), size * chance.uniform(0.99, 1.01), chance.uniform(0, 7))
        assert has(pieces.inside, position) == truth.has(position)


def test_a_comb_of_many_teeth():
    ring = [(k / 1000, 0 if k % 2 else 5) for k in range(9_000)]
    pieces = covered([*ring, (9, -1), (0, -1)])
    assert has(pieces.inside, unit_vector(4.0005, 0.0015))
    assert has(pieces.inside, unit_vector(4.0, 4.99))
    assert not has(pieces.inside, unit_vector(4.001, 4.99))


def test_too_many_crossings_are_refused():
    chance = random.Random(5)
    ring = [(chance.random(), chance.random()) for _ in range(1_000)]
    with pytest.raises(GeometryError, match=r"^The area is too complicated: .*\.$"):
        covered(ring)
