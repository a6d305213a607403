"""Footprints against regions and positions, and pieces against pieces."""

import math
import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.lib.sky import (
    Footprint,
    cone_box,
    cover,
    covers,
    distance,
    intersects,
    parse_region,
    quad_has,
    quads_meet,
    quads_overlap,
    unit_vector,
    within,
)
from tests.lib.sky.brute import (
    Polygon,
    angle,
    anywhere,
    arc_distance,
    cross,
    degrees,
    exact,
    on_arc,
    ring_around,
    turned,
)
from tests.lib.sky.shapes import KINDS, draw, positions

QUICK = settings(derandomize=True, deadline=None, database=None, max_examples=20)
seeds = st.integers(0, 10**9)
exponents = st.floats(-7, 0.1)


def covered(ring):
    return cover(Footprint(tuple(ring)))


def text(*rings):
    written = (", ".join(f"{ra!r} {dec!r}" for ra, dec in [*ring, ring[0]]) for ring in rings)
    return f"POLYGON({', '.join(f'({ring})' for ring in written)})"


def line(*positions):
    return f"LINESTRING({', '.join(f'{ra!r} {dec!r}' for ra, dec in positions)})"


def another(drawn, chance):
    """A ring near a footprint, smaller or larger, or far from it."""
    kind = chance.choice(["square", "triangle", "hull", "star", "turning twice", "scribble"])
    exponent = min(0.1, math.log10(drawn.size) + chance.uniform(-1.5, 0.5))
    other = draw(chance.random(), kind, exponent)
    if chance.random() < 0.1:
        return other.ring
    centre = turned(drawn.centre, min(3.0, drawn.size * chance.uniform(0, 1.3)), chance.uniform(0, 7))
    steps = [
        (angle(other.centre, v), math.atan2(*_within_frame(other.centre, v))) for v in other.polygon.rings[0]
    ]
    return [degrees(turned(centre, *step)) for step in steps]


def _within_frame(centre, v):
    side, up = turned(centre, 1.0, 0.0), turned(centre, 1.0, math.pi / 2)
    out = [[a - math.cos(1.0) * c for a, c in zip(axis, centre, strict=True)] for axis in (up, side)]
    return [sum(a * b for a, b in zip(axis, v, strict=True)) for axis in out]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("tiles", "repeating")])
@QUICK
@given(seed=seeds, exponent=exponents)
def test_a_polygon_is_covered_or_met_as_crossings_and_corners_say(kind, seed, exponent):
    drawn, chance = draw(seed, kind, exponent), random.Random(seed)
    pieces = covered(drawn.ring)
    for _ in range(3):
        ring = another(drawn, chance)
        region, truth = parse_region(text(ring)), Polygon(ring)
        assert intersects(pieces, region) == drawn.polygon.meets(truth)
        assert covers(pieces, region) == drawn.polygon.contains(truth)


@QUICK
@given(seed=seeds, exponent=exponents)
def test_a_polygon_with_a_hole(seed, exponent):
    drawn, chance = draw(seed, "star", exponent), random.Random(seed)
    pieces = covered(drawn.ring)
    for _ in range(3):
        centre = turned(drawn.centre, drawn.size * chance.random(), chance.uniform(0, 7))
        outer = ring_around(centre, [min(1.5, drawn.size * 1.7)] * 9)
        inner = ring_around(centre, [min(1.4, drawn.size * chance.uniform(0.05, 1.6))] * 8)
        rings = [outer, inner if chance.random() < 0.5 else inner[::-1]]
        region, truth = parse_region(text(*rings)), Polygon(*rings)
        assert intersects(pieces, region) == drawn.polygon.meets(truth)
        hole = covered(inner)
        assert not covers(hole, region)
        assert covers(hole, parse_region(text(inner)))
        assert not covers(covered(outer[::2] + inner[::2]), region)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("tiles", "repeating")])
@QUICK
@given(seed=seeds, exponent=exponents)
def test_a_line_is_covered_or_met_as_crossings_and_ends_say(kind, seed, exponent):
    drawn, chance = draw(seed, kind, exponent), random.Random(seed)
    pieces = covered(drawn.ring)
    for _ in range(3):
        start, end = (degrees(v) for v in list(positions(drawn, chance, 9))[:2])
        region = parse_region(line(start, end))
        ends = [unit_vector(*start), unit_vector(*end)]
        crossed = any(cross(*map(exact, ends), a, b) for a, b in drawn.polygon.exact_edges())
        insides = [drawn.polygon.has(v) for v in ends]
        assert intersects(pieces, region) == (crossed or any(insides))
        assert covers(pieces, region) == (not crossed and all(insides))


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(seed=seeds, exponent=exponents)
def test_a_position_is_a_region_too(kind, seed, exponent):
    drawn, chance = draw(seed, kind, exponent), random.Random(seed)
    pieces = covered(drawn.ring)
    for position in positions(drawn, chance, 8):
        ra, dec = degrees(position)
        region = parse_region(f"POINT({ra!r} {dec!r})")
        assert region.point == unit_vector(ra, dec)
        expected = drawn.polygon.has(position)
        assert intersects(pieces, region) is expected
        assert covers(pieces, region) is expected


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(seed=seeds, exponent=exponents)
def test_a_footprint_covers_and_meets_itself(kind, seed, exponent):
    drawn = draw(seed, kind, exponent)
    pieces = covered(drawn.ring)
    if not pieces.inside:
        return
    region = parse_region(text(drawn.ring))
    assert covers(pieces, region)
    assert intersects(pieces, region)
    if kind not in ("tiles", "repeating"):
        assert covers(pieces, parse_region(line(*drawn.ring, drawn.ring[0])))


@pytest.mark.parametrize("kind", ["square", "triangle", "sliver", "hull", "star", "touching itself"])
@settings(QUICK, max_examples=12)
@given(seed=seeds, exponent=exponents)
def test_distance_is_that_to_the_nearest_edge(kind, seed, exponent):
    drawn, chance = draw(seed, kind, exponent), random.Random(seed)
    pieces = covered(drawn.ring)
    for position in positions(drawn, chance, 5):
        found = math.radians(distance(pieces, position))
        if drawn.polygon.has(position):
            assert found == 0
            continue
        expected = min(arc_distance(a, b, position) for a, b in drawn.polygon.edges())
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-14)
        if math.degrees(expected) < 89:
            assert within(pieces, position, math.degrees(expected * (1 + 1e-5) + 1e-14))
            assert not within(pieces, position, math.degrees(expected * (1 - 1e-5) - 1e-14))


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(seed=seeds, exponent=exponents)
def test_each_piece_of_a_footprint_is_covered_and_none_of_the_others(kind, seed, exponent):
    pieces = covered(draw(seed, kind, exponent).ring)
    for quad in pieces.inside[:12]:
        ring = [degrees(v) for v in dict.fromkeys(quad)]
        assert covers(pieces, parse_region(text(ring)))
    thick = [quad for quad in pieces.outside if quads_overlap(quad, quad)]
    for quad in thick[:12]:
        assert not covers(pieces, parse_region(text([degrees(v) for v in dict.fromkeys(quad)])))
        assert not any(quads_overlap(one, quad) for one in pieces.inside)


def test_within_a_radius_of_nothing_and_of_90_degrees():
    pieces = covered(SQUARE)
    assert within(pieces, unit_vector(10, 10), 0)
    assert within(pieces, unit_vector(15, 15), 0)
    assert not within(pieces, unit_vector(9.999, 10), 0)
    assert within(pieces, unit_vector(0, 85), 90)
    assert within(pieces, unit_vector(105, 0), 90)
    assert not within(pieces, unit_vector(195, -15), 90)
    assert distance(pieces, unit_vector(10, 9)) == pytest.approx(1)
    assert distance(pieces, unit_vector(190, -10)) == pytest.approx(
        180 - math.degrees(angle(unit_vector(10, 10), unit_vector(20, 20)))
    )


def test_without_area_nothing_is_near():
    pieces = covered([(0, 0), (1, 0), (2, 0)])
    assert distance(pieces, unit_vector(1, 0)) == math.inf
    assert not within(pieces, unit_vector(1, 0), 90)
    assert not intersects(pieces, parse_region("POINT(1 0)"))
    assert not covers(pieces, parse_region("POINT(1 0)"))


SQUARE = [(10, 10), (20, 10), (20, 20), (10, 20)]
NOTCHED = [(10, 10), (20, 10), (20, 20), (15, 12), (10, 20)]


@pytest.mark.parametrize("ring", [SQUARE, NOTCHED, [*SQUARE[:2], (20, 15), *SQUARE[2:]]])
@pytest.mark.parametrize(
    ("region", "is_met", "is_covered"),
    [
        ("POINT(10 10)", True, True),
        ("POINT(370 10)", True, True),
        ("POINT(-340 10)", True, True),
        ("POINT(9.9999999 10)", False, False),
        ("POINT(190 -10)", False, False),
        ("LINESTRING(10 10, 20 10)", True, True),  # an edge
        ("LINESTRING(5 5, 10 10)", True, False),  # ends at a corner
        ("LINESTRING(20 10, 20 20)", True, True),
        ("LINESTRING(20 5, 20 10)", True, False),  # goes on from an edge, on its circle
        ("LINESTRING(20 5, 20 9.999)", False, False),
        ("LINESTRING(20 20.001, 20 30)", False, False),
        ("LINESTRING(20 0, 20 30)", True, False),
        ("LINESTRING(100 0, 140 40)", False, False),
        ("LINESTRING(14 11, 16 11)", True, True),
        ("LINESTRING(15 11, 15 11)", True, True),
        ("POLYGON((20 10, 30 10, 30 20, 20 20, 20 10))", True, False),  # shares an edge
        ("POLYGON((20 20, 30 20, 30 30, 20 20))", True, False),  # shares a corner
        ("POLYGON((20.0001 10, 30 10, 30 20, 20.0001 20, 20.0001 10))", False, False),
        ("POLYGON((0 0, 40 0, 40 40, 0 40, 0 0))", True, False),
        ("POLYGON((0 0, 0 40, 40 40, 40 0, 0 0))", True, False),
        ("POLYGON((0 0, 40 0, 40 40, 0 40, 0 0), (5 5, 25 5, 25 25, 5 25, 5 5))", False, False),
        ("POLYGON((10 10, 20 10, 15 12, 10 10))", True, True),
        ("POLYGON((190 -10, 200 -10, 200 -20, 190 -20, 190 -10))", False, False),
        ("MULTIPOINT(10 10, 20 10)", True, True),
        ("MULTIPOINT(10 10, 50 10)", True, False),
        ("GEOMETRYCOLLECTION(POINT(12 11), LINESTRING(16 11, 17 12.1))", True, True),
        ("GEOMETRYCOLLECTION(POINT(12 11), LINESTRING(16 11, 27 12))", True, False),
    ],
)
def test_known_regions(ring, region, is_met, is_covered):
    pieces, asked = covered(ring), parse_region(region)
    assert intersects(pieces, asked) is is_met
    assert covers(pieces, asked) is is_covered


def test_what_spans_a_notch_is_not_covered():
    notched = covered(NOTCHED)
    for region in (
        "LINESTRING(11 17, 19 17)",
        "POLYGON((11 11, 19 11, 19 17.9, 11 17.9, 11 11))",
        "LINESTRING(10 20, 20 20)",
    ):
        assert intersects(notched, parse_region(region))
        assert not covers(notched, parse_region(region))


def test_regions_of_any_size_and_the_whole_way_round():
    cap = covered(ring_around(unit_vector(0, 90), [math.radians(70)] * 40))
    equator = "LINESTRING(0 0, 100 0, 200 0, 300 0, 0 0)"
    parallel = "LINESTRING(0 40, 60 40, 120 40, 180 40, 240 40, 300 40, 0 40)"
    assert not intersects(cap, parse_region(equator))
    assert covers(cap, parse_region(parallel))
    wide = covered(ring_around(unit_vector(0, 90), [math.radians(89.9)] * 40))
    assert covers(wide, parse_region("POLYGON((0 10, 90 10, 180 10, 270 10, 0 10))"))
    assert not covers(wide, parse_region("POLYGON((0 -10, 90 -10, 180 -10, 270 -10, 0 -10))"))
    assert not intersects(wide, parse_region("POLYGON((0 -10, 90 -10, 180 -10, 270 -10, 0 -10))"))


# Pieces by themselves: two corners of an arc, of a square, of a position.

CORNER, E, N, NE = (unit_vector(*p) for p in ((0, 0), (4, 0), (0, 4), (4, 4)))
FACE = (CORNER, E, NE, N)


def arc(*ends):
    a, b = (unit_vector(*end) for end in ends)
    return (a, a, b, b)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (arc((0, 0), (4, 0)), arc((4, 0), (8, 0)), True),
        (arc((0, 0), (4, 0)), arc((3, 0), (8, 0)), True),
        (arc((0, 0), (4, 0)), arc((1, 0), (2, 0)), True),
        (arc((0, 0), (4, 0)), arc((5, 0), (8, 0)), False),
        (arc((0, 0), (4, 0)), arc((2, 0), (2, 0)), True),
        (arc((0, 0), (4, 0)), arc((5, 0), (5, 0)), False),
        (arc((0, 0), (4, 0)), arc((2, 1), (2, 1)), False),
        (arc((0, 0), (4, 0)), arc((2, -1), (2, 1)), True),
        (arc((0, 0), (4, 0)), arc((2, 0), (2, 1)), True),
        (arc((0, 0), (4, 0)), arc((5, -1), (5, 1)), False),
        (arc((0, 0), (4, 0)), arc((184, 0), (180, 0)), False),
        (arc((2, 0), (2, 0)), arc((2, 0), (2, 0)), True),
        (arc((2, 0), (2, 0)), arc((2, 1e-9), (2, 1e-9)), False),
        (FACE, arc((4, 0), (8, 0)), True),
        (FACE, arc((4.001, 0), (8, 0)), False),  # beside it, on its edge's circle
        (FACE, arc((-4, 0), (-0.001, 0)), False),
        (FACE, arc((2, 0), (3, 0)), True),
        (FACE, arc((-1, 2.5), (1, 5)), True),
        (FACE, arc((-1, 3.9), (1, 6)), False),
        (FACE, arc((184, 0), (188, 0)), False),
        (FACE, (E, unit_vector(8, 0), unit_vector(8, 4), NE), True),
        (FACE, (NE, unit_vector(8, 4), unit_vector(8, 8), unit_vector(4, 8)), True),
        (FACE, (unit_vector(4.01, 4), unit_vector(8, 4), unit_vector(8, 8), unit_vector(4, 8)), False),
        (FACE, arc((-1, -1), (-1, -1)), False),
        (FACE, arc((2, 2), (2, 2)), True),
    ],
)
def test_pieces_meet(one, other, meet):
    assert quads_meet(one, other) is meet
    assert quads_meet(other, one) is meet


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        (FACE, True),
        ((E, unit_vector(8, 0), unit_vector(8, 4), NE), False),
        ((NE, unit_vector(8, 4), unit_vector(8, 8), unit_vector(4, 8)), False),
        ((unit_vector(3.99, 0), unit_vector(8, 0), unit_vector(8, 4), unit_vector(3.99, 4)), True),
        (arc((0, 0), (4, 0)), False),
        (arc((-4, 0), (8, 0)), False),
        (arc((0, 0), (4, 4)), True),
        (arc((-1, 2.5), (1, 5)), True),
        (arc((2, 2), (2, 2)), True),
        (arc((2, 0), (2, 0)), False),
        (arc((0, 0), (0, 0)), False),
        (arc((9, 9), (9, 9)), False),
        (arc((182, -2), (182, -2)), False),
    ],
)
def test_pieces_overlap(other, overlap):
    for turn in range(4):
        assert quads_overlap((*FACE[turn:], *FACE[:turn]), other) is overlap


def test_a_piece_has_its_corners_and_not_what_is_opposite():
    assert all(quad_has(FACE, corner) for corner in FACE)
    assert not any(quad_has(FACE, tuple(-c for c in corner)) for corner in FACE)
    assert quad_has((CORNER, E, N, N), unit_vector(1, 1))
    assert not quad_has((CORNER, E, N, N), unit_vector(3, 3))


@given(seeds, st.floats(0, 90))
@settings(QUICK, max_examples=200)
def test_the_box_of_a_cone_holds_it(seed, radius):
    chance = random.Random(seed)
    centre = unit_vector(*chance.choice([(0, 0), (0, 90), (45, -89.9), degrees(anywhere(chance))]))
    box = cone_box(centre, radius)
    reached = [2.0] * 3, [-2.0] * 3
    for k in range(60):
        position = turned(centre, math.radians(radius) * (1 if k % 3 else chance.random()), k * 0.105)
        for axis in range(3):
            assert box.low[axis] <= position[axis] <= box.high[axis]
            reached[0][axis] = min(reached[0][axis], position[axis])
            reached[1][axis] = max(reached[1][axis], position[axis])
    slack = math.radians(radius) * 0.3 + 1e-11
    assert all(
        box.high[axis] - reached[1][axis] < slack > reached[0][axis] - box.low[axis] for axis in range(3)
    )


def test_the_order_of_rings_and_parts_does_not_matter():
    pieces = covered(NOTCHED)
    parts = ["POINT(12 11)", "LINESTRING(16 11, 17 12.1)", "POLYGON((11 11, 14 11, 12 12, 11 11))"]
    for order in permutations(parts):
        assert covers(pieces, parse_region(f"GEOMETRYCOLLECTION({','.join(order)})"))


def test_on_arc_of_a_line_every_position_is_met():
    start, end = (350, 60), (100, 20)
    region = parse_region(line(start, end))
    for share in (0.0, 0.1, 0.5, 0.77, 1.0):
        here = on_arc(unit_vector(*start), unit_vector(*end), share)
        assert intersects(covered(ring_around(here, [1e-6] * 4)), region)
        beside = turned(here, 1e-3, 0.3)
        assert not intersects(covered(ring_around(beside, [1e-6] * 4)), region)
