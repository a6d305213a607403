"""Footprints as the archive is given them and gives them back."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.lib.sky import Footprint, GeometryError, footprint_from_geojson


def polygon(*positions):
    return {"type": "Polygon", "coordinates": [[list(position) for position in positions]]}


SQUARE = ((10.69, 41.26), (10.69, 41.27), (10.66, 41.27), (10.66, 41.26))


def opposite(one, other):
    return abs(one[1] + other[1]) < 1e-5 or min(abs(one[1]), abs(other[1])) > 89


ring = st.lists(
    st.tuples(st.floats(-1000, 1000), st.floats(-180, 180)), min_size=3, max_size=12, unique=True
).filter(lambda vertices: not any(opposite(vertices[k - 1], vertex) for k, vertex in enumerate(vertices)))


def test_a_polygon_comes_back_as_it_was_given():
    given_polygon = polygon(*SQUARE, SQUARE[0])
    footprint = footprint_from_geojson(given_polygon)
    assert footprint.vertices == SQUARE
    assert footprint.geojson() == given_polygon


@pytest.mark.parametrize(
    ("ra", "kept"),
    [
        (186.4, -173.6),
        (186.26457553993, -173.73542446007),
        (180, -180.0),
        (-180, -180.0),
        (179.999999999999, 179.999999999999),
        (359.9999999999999, 0.0),  # rounded: −1e-13
        (360, 0.0),
        (719.5, -0.5),
        (-0.5, -0.5),
        (-190, 170.0),
        (-0.0, 0.0),
        (-360.0, 0.0),
        (540 - 1e-13, -180.0),
        (12, 12.0),
    ],
)
def test_right_ascension_is_kept_between_minus_180_and_180(ra, kept):
    footprint = Footprint(((ra, 0), (1, 0), (1, 1)))
    assert footprint.vertices[0][0] == kept
    assert math.copysign(1, footprint.vertices[0][0]) == math.copysign(1, kept)


@pytest.mark.parametrize(("dec", "kept"), [(90.001, 90), (-91, -90), (90, 90), (135, 90), (-0.0, 0.0)])
def test_a_declination_beyond_the_pole_is_set_to_the_pole(dec, kept):
    result = footprint_from_geojson(polygon((0, dec), (1, 0), (1, 1), (0, dec))).vertices[0][1]
    assert str(result) == str(float(kept))


@given(ring)
def test_a_footprint_read_back_is_the_same(vertices):
    footprint = Footprint(tuple(vertices))
    assert all(-180 <= ra < 180 and -90 <= dec <= 90 for ra, dec in footprint.vertices)
    assert footprint_from_geojson(json.loads(json.dumps(footprint.geojson()))) == footprint


@given(ring)
def test_right_ascension_means_the_same_direction(vertices):
    for (before, _), (after, _) in zip(vertices, Footprint(tuple(vertices)).vertices, strict=True):
        assert math.remainder(before - after, 360) == pytest.approx(0, abs=1e-11)


@pytest.mark.parametrize(
    "positions",
    [
        ((0, 0), (1, 1), (1, 0), (0, 1), (0, 0)),  # crosses itself
        ((0, 0), (1, 0), (0, 1), (0, 0)),  # a triangle
        ((0, 0), (1, 0), (2, 0), (0, 0)),  # no area
        ((5, 5), (5, 5), (5, 5), (5, 5)),  # a point
        ((0, 90), (120, 89), (240, 89), (360, 90)),  # closed, in other words
    ],
)
def test_odd_rings_are_kept(positions):
    assert len(footprint_from_geojson(polygon(*positions)).vertices) == len(positions) - 1


def test_a_third_number_and_other_members_are_dropped():
    area = polygon((0, 0, 7), (1, 0, None), (1, 1, "m"), (0, 0, 9))
    area["bbox"] = [0, 0, 1, 1]
    assert footprint_from_geojson(area).vertices == ((0, 0), (1, 0), (1, 1))


def test_tuples_will_do():
    area = {"type": "Polygon", "coordinates": ([(0, 0), (1, 0), (1, 1), (0, 0)],)}
    assert footprint_from_geojson(area).vertices == ((0, 0), (1, 0), (1, 1))


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "GeoJSON object"),
        ([], "GeoJSON object"),
        ("POLYGON((0 0,1 0,1 1,0 0))", "GeoJSON object"),
        (3, "GeoJSON object"),
        ({}, "Polygon, not null"),
        ({"type": 7}, "Polygon, not a number"),
        ({"type": ["Polygon"]}, "Polygon, not an array"),
        ({"type": {}}, "Polygon, not an object"),
        ({"type": "polygon", "coordinates": []}, "Polygon, not 'polygon'"),
        ({"type": "Point", "coordinates": [1, 2]}, "Polygon, not 'Point'"),
        ({"type": "MultiPolygon", "coordinates": [[[[0, 0]]]]}, "Polygon, not 'MultiPolygon'"),
        ({"type": "x" * 10_000}, "…'"),
        ({"type": "Polygon"}, "one ring"),
        ({"type": "Polygon", "coordinates": []}, "one ring"),
        ({"type": "Polygon", "coordinates": "abc"}, "one ring"),
        ({"type": "Polygon", "coordinates": [7]}, "array of [RA, Dec]"),
        ({"type": "Polygon", "coordinates": ["abcd"]}, "array of [RA, Dec]"),
        ({"type": "Polygon", "coordinates": [{"0": [1, 2]}]}, "array of [RA, Dec]"),
        ({"type": "Polygon", "coordinates": [[], []]}, "holes"),
        (polygon(), "at least 4"),
        (polygon((0, 0), (1, 0), (0, 0)), "at least 4"),
        (polygon((0, 0), (1, 0), (1, 1), (0, 1)), "closed"),
        (polygon((0, 0), (1, 0), (1, 1), (0, 1e-9)), "closed"),
        (polygon(*[(0, 0)] * 10_001), "10,000"),
        ({"type": "Polygon", "coordinates": [[0, 1, 2, 0]]}, "Position 0"),
        (polygon((0, 0), (1,), (1, 1), (0, 0)), "Position 1"),
        (polygon((0, 0), (), (1, 1), (0, 0)), "Position 1"),
        (polygon((0, 0), (True, 0), (1, 1), (0, 0)), "RA of position 1 must be a number, not true"),
        (polygon((0, 0), (1, False), (1, 1), (0, 0)), "Dec of position 1 must be a number, not false"),
        (polygon((0, 0), ("1", 0), (1, 1), (0, 0)), "not '1'"),
        (polygon((0, 0), (1, None), (1, 1), (0, 0)), "not null"),
        (polygon((0, 0), (NAN, 0), (1, 1), (0, 0)), "finite"),
        (polygon((0, 0), (1, INFINITY), (1, 1), (0, 0)), "finite"),
        (polygon((0, NAN), (1, 1), (2, 2), (0, NAN)), "finite"),
        (polygon((0, 0), (10**400, 0), (1, 1), (0, 0)), "too large"),
        (polygon((-32.4, 186.4), (-32.3, 186.4), (-32.3, 186.5), (-32.4, 186.4)), "beyond the pole"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(value, says):
    with pytest.raises(GeometryError) as refused:
        footprint_from_geojson(value)
    sentence = str(refused.value)
    assert says in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 160


@pytest.mark.parametrize(
    "vertices",
    [
        ((0, 0), (180, 0), (90, 10)),
        ((10, 0), (90, 10), (190, 0)),
        ((30, 40), (-150, -40), (0, 0)),
        ((0, 90), (7, -90), (7, 0)),
        ((0, 0), (539.99999999999, 0), (90, 1)),
    ],
)
def test_an_edge_between_opposite_points_is_refused(vertices):
    with pytest.raises(GeometryError, match=r"^An edge can't join opposite points of the sky .*\.$"):
        Footprint(vertices)


def test_a_footprint_may_have_opposite_vertices_that_no_edge_joins():
    assert len(Footprint(((0, 0), (90, 0), (180, 0), (90, 80))).vertices) == 4


def test_10_000_positions_are_not_too_many():
    area = polygon(*((k / 100, 1) for k in range(9_999)), (0, 1))
    assert len(footprint_from_geojson(area).vertices) == 9_999


@pytest.mark.parametrize("vertices", [(), ((0, 0), (1, 1)), ((0, 0),) * 10_000])
def test_a_footprint_needs_a_sensible_number_of_vertices(vertices):
    with pytest.raises(GeometryError, match="3 to 9,999 vertices"):
        Footprint(vertices)
