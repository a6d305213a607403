"""Geometries as people and programs write them."""

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.lib.sky import Footprint, GeometryError, parse_region, unit_vector

A, B, C, D = ((1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 4.0))
POINTS = {position: unit_vector(*position) for position in (A, B, C, D)}
RING = "(1 2, 3 2, 3 4, 1 4, 1 2)"
JSON_RING = [list(p) for p in (A, B, C, D, A)]


def at(*places):
    return {POINTS[place] for place in places}


@pytest.mark.parametrize(
    ("text", "points", "pieces"),
    [
        ("POINT(1 2)", at(A), 1),
        ("POINT (1 2)", at(A), 1),
        ("point(1 2)", at(A), 1),
        ("  Point\n(\t1.0   2e0 )\r\n", at(A), 1),
        ("POINT(+1 +2.)", at(A), 1),
        ("POINT(.1E1 2)", at(A), 1),
        ("POINT(361 2)", at(A), 1),
        ("POINT(-359 2)", at(A), 1),
        ("POINT(1 2 7)", at(A), 1),
        ("POINT Z (1 2 7)", at(A), 1),
        ("POINT Z(1 2 7)", at(A), 1),
        ("POINTZ(1 2 7)", at(A), 1),
        ("POINT M (1 2 7)", at(A), 1),
        ("pointzm (1 2 7 8)", at(A), 1),
        ("POINT ZM (1 2 7 8)", at(A), 1),
        ("SRID=4326;POINT(1 2)", at(A), 1),
        ("srid = 0 ; point(1 2)", at(A), 1),
        ("LINESTRING(1 2, 3 2)", at(A, B), 1),
        ("LINESTRING(1 2,3 2,3 4)", at(A, B, C), 2),
        ("LINESTRING(1 2,1 2,3 2)", at(A, B), 1),
        ("LINESTRING(1 2,1 2)", at(A), 1),
        (f"POLYGON({RING})", at(A, B, C, D), 1),
        (f"polygon (\n{RING} )", at(A, B, C, D), 1),
        ("POLYGON((1 2 9, 1 4 9, 3 4 9, 3 2 9, 1 2 9))", at(A, B, C, D), 1),
        ("POLYGON((1 2, 3 2, 3 4, 361 2))", at(A, B, C), 1),
        ("POLYGON((1 2, 3 2, 1 2, 1 2))", at(A, B), 2),  # no area: its edges
        ("POLYGON((1 2, 1 2, 1 2, 1 2))", at(A), 1),
        ("MULTIPOINT(1 2, 3 2)", at(A, B), 2),
        ("MULTIPOINT((1 2), (3 2))", at(A, B), 2),
        ("MULTIPOINT(1 2, (3 2), 1 2)", at(A, B), 2),
        ("MULTILINESTRING((1 2, 3 2), (3 4, 1 4))", at(A, B, C, D), 2),
        (f"MULTIPOLYGON(({RING}))", at(A, B, C, D), 1),
        (f"MULTIPOLYGON(({RING}), ((1 2, 3 2, 3 4, 1 2)))", at(A, B, C, D), 2),
        (f"GEOMETRYCOLLECTION(POINT(1 2), POLYGON({RING}))", at(A, B, C, D), 2),
        ("GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 2)),LINESTRING(3 2, 3 4))", at(A, B, C), 2),
        ("GEOMETRYCOLLECTION Z (POINT Z (1 2 3))", at(A), 1),
        ("GEOMETRYCOLLECTION(" * 10 + "POINT(1 2)" + ")" * 10, at(A), 1),
        ({"type": "Point", "coordinates": A}, at(A), 1),
        ({"type": "Point", "coordinates": [1, 2, 3]}, at(A), 1),
        ({"type": "Point", "coordinates": [-359, 2], "bbox": []}, at(A), 1),
        ({"type": "LineString", "coordinates": [A, B]}, at(A, B), 1),
        ({"type": "Polygon", "coordinates": [JSON_RING]}, at(A, B, C, D), 1),
        ({"type": "MultiPoint", "coordinates": [A, B]}, at(A, B), 2),
        ({"type": "MultiLineString", "coordinates": [[A, B], [C, D]]}, at(A, B, C, D), 2),
        ({"type": "MultiPolygon", "coordinates": [[JSON_RING]]}, at(A, B, C, D), 1),
        ({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": A}]}, at(A), 1),
        ({"type": "Feature", "geometry": {"type": "Point", "coordinates": A}, "properties": None}, at(A), 1),
    ],
    ids=str,
)
def test_a_geometry_is_read(text, points, pieces):
    region = parse_region(text if isinstance(text, str) else "\n " + json.dumps(text))
    assert set(region.points) == points
    assert len(region.points) == len(points)
    assert len(region.pieces) == pieces
    assert region.point == (region.points[0] if len(points) == 1 else None)
    for point in points:
        assert all(
            low <= x <= high for low, x, high in zip(region.box.low, point, region.box.high, strict=True)
        )


def test_a_hole_is_left_out():
    region = parse_region("POLYGON((0 0, 9 0, 9 9, 0 9, 0 0), (3 3, 6 3, 6 6, 3 6, 3 3))")
    assert len(region.pieces) > 3
    assert {unit_vector(3, 3), unit_vector(9, 9)} < set(region.points)


def test_a_point_of_a_footprint_has_the_same_bits():
    for ra in (186.26457553993, -173.73542446007, 546.26457553993, 0.1, 360.1, -359.9):
        kept = Footprint(((ra, 41.26), (1, 1), (2, 2))).vertices[0]
        assert parse_region(f"POINT({ra} 41.26)").point == unit_vector(*kept)


@pytest.mark.parametrize(("dec", "pole"), [(90, 1), (-90, -1), (90.5, 1), (-180, -1)])
def test_the_poles_are_exact_and_beyond_them_there_is_nothing(dec, pole):
    assert parse_region(f"POINT(77.7 {dec})").point == (0, 0, pole)


def test_a_long_line_is_in_pieces():
    region = parse_region("LINESTRING(0 0, 90 0, 269 0)")
    assert len(region.pieces) == 4 + 8
    assert region.box.low[0] == pytest.approx(-1)
    assert region.box.high[1] == pytest.approx(1)
    for a, _, b, _ in region.pieces:
        assert math.dist(a, b) < 2 * math.sin(math.radians(20))


MULTI = "MULTIPOINT(" + ",".join(["1 2"] * 10_000) + ")"


def test_10_000_positions_are_not_too_many():
    assert parse_region(MULTI).point == unit_vector(1, 2)


def nested(depth):
    return "GEOMETRYCOLLECTION(" * depth + "POINT(1 2)" + ")" * depth


def nested_json(depth):
    value = {"type": "Point", "coordinates": [1, 2]}
    for _ in range(depth):
        value = {"type": "GeometryCollection", "geometries": [value]}
    return json.dumps(value)


BAD = [
    ("", "should have one of POINT"),
    ("   ", "should have one of POINT"),
    ("foo", "at character 1, not 'foo'"),
    ("10.5 10.5", "at character 1, not '10.5'"),
    ("POINT", "should have '(' at its end"),
    ("POINT(", "should have a number at its end"),
    ("POINT()", "should have a number at character 7, not ')'"),
    ("POINT(1)", "one of this geometry has one number"),
    ("POINT(1 2", "should have ')' at its end"),
    ("POINT(1 2))", "should have the end of the text at character 11"),
    ("POINT(1 2) POINT(1 2)", "the end of the text"),
    ("POINT(1, 2)", "has one number"),
    ("POINT(1 2, 3 4)", "should have ')' at character 10"),
    ("POINT(1 2 3 4 5)", "has 5 numbers"),
    ("POINT(1 2 3 4 5 6)", "has 6 numbers"),
    ("POINT((1 2))", "a number"),
    ("POINT(inf 0)", "a number at character 7, not 'inf'"),
    ("POINT(0 -inf)", "not '-'"),
    ("POINT(nan 0)", "not 'nan'"),
    ("POINT(1e999 0)", "finite"),
    ("POINT(0 1e999)", "finite"),
    ("POINT(0 181)", "beyond the pole"),
    ("POINT(1- 2)", "not '-'"),
    ("POINT(1 2e)", "not 'e'"),
    ("POINT(0x10 2)", "not 'x'"),
    ("POINT(١ ٢)", "not '١'"),
    ("POINT(1 2\0)", "not '\\x00'"),
    ("PÖINT(1 2)", "'P'"),
    ("POINTS(1 2)", "not 'POINTS'"),
    ("POINT ZZ (1 2)", "not 'ZZ'"),
    ("POINT EMPTY", "EMPTY"),
    ("POINT Z EMPTY", "EMPTY"),
    ("POLYGON EMPTY", "EMPTY"),
    ("GEOMETRYCOLLECTION EMPTY", "EMPTY"),
    ("GEOMETRYCOLLECTION(POINT EMPTY)", "EMPTY"),
    ("GEOMETRYCOLLECTION()", "one of POINT"),
    ("GEOMETRYCOLLECTION(1 2)", "one of POINT"),
    ("LINESTRING(1 2)", "at least 2 positions"),
    ("LINESTRING(0 0, 180 0)", "opposite points"),
    ("LINESTRING(10 20, 190 -20)", "opposite points"),
    ("LINESTRING(0 90, 0 -91)", "opposite points"),
    ("POLYGON((0 0, 180 0, 90 20, 0 0))", "opposite points"),
    ("POLYGON((0 0, 1 0, 1 1, 0 1))", "closed"),
    ("POLYGON((0 0, 1 0, 0 0))", "at least 4 positions"),
    ("POLYGON(0 0, 1 0, 1 1, 0 0)", "should have '('"),
    ("POLYGON((0 0, 1 0, 1 1, 0 0), (0 0, 1 1, 0 0))", "at least 4 positions"),
    ("POLYGON((0 0, 1 0, 1 1, 0 0),)", "should have '('"),
    ("POLYGON((0 0, 1 0, 1 1, 0 0)", "should have ')'"),
    ("MULTIPOLYGON((0 0, 1 0, 1 1, 0 0))", "should have '('"),
    ("MULTILINESTRING((0 0))", "at least 2 positions"),
    ("CIRCULARSTRING(0 0, 1 1, 1 0)", "not 'CIRCULARSTRING'"),
    ("TRIANGLE((0 0, 1 1, 1 0, 0 0))", "one of POINT"),
    ("SRID=3857;POINT(1 2)", "SRID 3857 isn't supported"),
    ("SRID=-1;POINT(1 2)", "isn't supported"),
    ("SRID=1e3;POINT(1 2)", "isn't supported"),
    ("SRID=" + "9" * 5000 + ";POINT(1 2)", "isn't supported"),
    ("SRID=4326 POINT(1 2)", "should have ';'"),
    ("SRID;POINT(1 2)", "should have '='"),
    ("SRID=4326;", "one of POINT"),
    ("SRID=4326;SRID=4326;POINT(1 2)", "one of POINT"),
    ("A" * 50_000, "A…'"),
    (nested(11), "10 deep"),
    (nested(3_000), "10 deep"),
    (MULTI[:-1] + ",1 2)", "10,000 positions"),
    (" " * 100_001, "100,000 characters"),
    ("{", "isn't a JSON object"),
    ("{}", "type must be one of"),
    ("{'type': 'Point'}", "isn't a JSON object"),
    ('{"type": "Point"}', "coordinates must be arrays"),
    ('{"type": "Point", "coordinates": []}', "empty"),
    ('{"type": "Point", "coordinates": [1]}', "one number"),
    ('{"type": "Point", "coordinates": [1, 2, 3, 4, 5]}', "5 numbers"),
    ('{"type": "Point", "coordinates": ["1", 2]}', "must be a number"),
    ('{"type": "Point", "coordinates": [true, 2]}', "must be a number"),
    ('{"type": "Point", "coordinates": [null, 2]}', "must be a number"),
    ('{"type": "Point", "coordinates": [NaN, 2]}', "finite"),
    ('{"type": "Point", "coordinates": [1, -Infinity]}', "finite"),
    ('{"type": "Point", "coordinates": [1e999, 2]}', "finite"),
    ('{"type": "Point", "coordinates": [1' + "0" * 400 + ", 2]}", "finite"),
    ('{"type": "Point", "coordinates": [1' + "0" * 5_000 + ", 2]}", "too many digits"),
    ('{"type": "Point", "coordinates": [[1, 2]]}', "must be a number"),
    ('{"type": "Point", "coordinates": {"0": 1}}', "must be arrays"),
    ('{"type": "point", "coordinates": [1, 2]}', "type must be one of"),
    ('{"type": ["Point"], "coordinates": [1, 2]}', "type must be one of"),
    ('{"type": "LineString", "coordinates": [[1, 2]]}', "at least 2"),
    ('{"type": "Polygon", "coordinates": []}', "empty"),
    ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [2, 2]]]}', "closed"),
    ('{"type": "Polygon", "coordinates": [[[0, 0], [180, 0], [1, 1], [0, 0]]]}', "opposite points"),
    ('{"type": "MultiPoint", "coordinates": [1, 2]}', "must be arrays"),
    ('{"type": "GeometryCollection", "geometries": []}', "empty"),
    ('{"type": "GeometryCollection", "geometries": [7]}', "must be an object"),
    ('{"type": "Feature", "geometry": null}', "must be an object"),
    ('{"type": "FeatureCollection", "features": []}', "type must be one of"),
    ('{"type": "Point", "coordinates": [1, 2]} x', "isn't a JSON object"),
    (nested_json(11), "10 deep"),
    ('{"a":' * 19_000, "isn't a JSON object"),
    ('{"a":' + "[" * 90_000, "isn't a JSON object"),
    ("[1, 2]", "one of POINT"),
]


@pytest.mark.parametrize(("text", "says"), BAD, ids=[str(k) for k in range(len(BAD))])
def test_anything_else_is_refused_in_one_sentence(text, says):
    began = time.process_time()
    with pytest.raises(GeometryError) as refused:
        parse_region(text)
    assert time.process_time() - began < 1
    sentence = str(refused.value)
    assert says in sentence
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert sentence.isprintable()
    assert len(sentence) < 250


@pytest.mark.parametrize(
    "text",
    [
        "1" * 99_999,
        "POINT(" + "1" * 90_000,
        "POINT(1" + " " * 90_000,
        "POINT" + " " * 90_000 + "x",
        "(" * 99_999,
        "POINT(" * 16_000,
        "-" * 99_999,
        "1." * 49_000,
        "MULTIPOINT(" + "(1 2)," * 9_999,
        "e1" * 49_000,
        '{"type": "Polygon", "coordinates": [[' + "[1, 2]," * 9_999,
    ],
    ids=lambda text: text[:8],
)
def test_long_nonsense_takes_no_time(text):
    began = time.process_time()
    with pytest.raises(GeometryError):
        parse_region(text)
    assert time.process_time() - began < 1


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.text(st.sampled_from('POINTLINESTRINGZM(),;=. +-e0123 {}[]":'), max_size=60))
def test_noise_is_refused_or_read(text):
    try:
        sentence, found = "", parse_region(text).points
    except GeometryError as refused:
        sentence, found = str(refused), ()
    assert found or sentence.endswith(".")


def test_a_polygon_that_crosses_itself_everywhere_is_refused_soon():
    ring = [f"{k * k * 7919 % 1009 / 10} {k * k * k * 104729 % 907 / 10}" for k in range(1_500)]
    began = time.process_time()
    with pytest.raises(GeometryError, match="too complicated"):
        parse_region(f"POLYGON(({','.join([*ring, ring[0]])}))")
    assert time.process_time() - began < 10


def test_many_large_polygons_are_refused_soon():
    ring = "((0 0, 100 0, 100 60, 0 60, 0 0))"
    began = time.process_time()
    with pytest.raises(GeometryError, match="too complicated"):
        parse_region(f"MULTIPOLYGON({','.join([ring] * 1_500)})")
    assert time.process_time() - began < 10
