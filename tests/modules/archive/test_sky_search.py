"""Searching by place: `covers`, `intersects` and cones, the same in both databases (contract §2.1)."""

import json
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from tests.modules.archive.door import FRAMES, NOBODY, Door, names
from tests.modules.archive.frames import posted

pytestmark = pytest.mark.asyncio(loop_scope="module")

Ring = list[tuple[float, float]]


def square(ra: float, dec: float, half: float = 0.5) -> Ring:
    low, high = dec - half, dec + half
    return [(ra - half, low), (ra - half, high), (ra + half, high), (ra + half, low)]


def area(ring: Ring) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(position) for position in (*ring, ring[0])]]}


POLE = [(ra, 89.0) for ra in (0.0, 90.0, 180.0, 270.0)]
CATALOGUE: dict[str, Ring] = {
    "plain": square(10.5, 10.5),
    "clockwise": list(reversed(square(20.5, 10.5))),
    "over-zero": square(0.0, -30.0),
    "over-zero-in-turns": [(359.5, 29.5), (359.5, 30.5), (360.5, 30.5), (360.5, 29.5)],
    "at-180": square(180.0, 0.0),
    "north": POLE,
    "south": [(ra, -dec) for ra, dec in POLE],
    "tiny": square(83.633, 22.0145, 1e-6),
    "sliver": [(120.0, 0.0), (125.0, 0.0), (125.0, 1e-7), (120.0, 1e-7)],
    # An L, a bow tie and a ring of more corners than a piece has.
    "notched": [(40.0, 0.0), (44.0, 0.0), (44.0, 1.0), (41.0, 1.0), (41.0, 4.0), (40.0, 4.0)],
    "bow-tie": [(60.0, 0.0), (62.0, 2.0), (62.0, 0.0), (60.0, 2.0)],
    "round": [
        (150.0 + 2 * math.cos(turn * math.pi / 6), 2 * math.sin(turn * math.pi / 6)) for turn in range(12)
    ],
    "wide": [(300.0 + 35 * x, -10.0 + 35 * y) for x, y in ((-1, -1), (-1, 1), (1, 1), (1, -1))],
}
MISSED = frozenset({"nowhere", "not-dated"})


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filed(door: Door) -> None:
    for number, (basename, ring) in enumerate(CATALOGUE.items()):
        await door.file(
            basename, area=area(ring), observation_date=f"2025-03-01T00:00:{number:02d}", target_name="seen"
        )
    await door.file("nowhere", area=None)
    await door.file("not-dated", area=area(square(10.5, 10.5)), observation_date=None)


async def found(door: Door, **query: str) -> set[str]:
    return set(await door.names(urlencode({"limit": "1000", "target_name_exact": "seen", **query})))


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("POINT(10.5 10.5)", {"plain"}),
        ("point ( 10.5   10.5 )", {"plain"}),
        ("PoInT(370.5 10.5)", {"plain"}),
        ("POINT(-349.5 10.5)", {"plain"}),
        ("SRID=4326;POINT(10.5 10.5)", {"plain"}),
        ('{"type":"Point","coordinates":[10.5,10.5]}', {"plain"}),
        ("POINT(10 10)", {"plain"}),
        ("POINT(11 11)", {"plain"}),
        ("POINT(10 10.5)", {"plain"}),
        ("POINT(11.0000001 10.5)", set[str]()),
        # The lower edge is a great circle: it rises above the parallel between its corners.
        ("POINT(10.5 10)", set[str]()),
        ("POINT(10.5 10.001)", {"plain"}),
        ("POINT(10.5 11)", {"plain"}),
        ("POINT(10.5 11.0003)", {"plain"}),
        ("POINT(10.5 11.0005)", set[str]()),
        ("POINT(20.5 10.5)", {"clockwise"}),
        ("POINT(0 -30)", {"over-zero"}),
        ("POINT(359.7 -30)", {"over-zero"}),
        ("POINT(-0.3 -30)", {"over-zero"}),
        ("POINT(719.7 -30)", {"over-zero"}),
        ("POINT(180 -30)", set[str]()),
        ("POINT(0.3 30)", {"over-zero-in-turns"}),
        ("POINT(359.5 29.5)", {"over-zero-in-turns"}),
        ("POINT(-180 0)", {"at-180"}),
        ("POINT(179.7 0.2)", {"at-180"}),
        ("POINT(0 90)", {"north"}),
        ("POINT(123.4 89.9)", {"north"}),
        ("POINT(77 -90)", {"south"}),
        ("POINT(45 89.0)", set[str]()),
        ("POINT(0 88.9)", set[str]()),
        ("POINT(83.633 22.0145)", {"tiny"}),
        ("POINT(83.6330011 22.0145)", set[str]()),
        ("POINT(122 5e-8)", {"sliver"}),
        ("POINT(122 2e-7)", set[str]()),
        ("POINT(40.5 3)", {"notched"}),
        ("POINT(43 0.5)", {"notched"}),
        ("POINT(43 3)", set[str]()),
        ("POINT(41 1)", {"notched"}),
        ("POINT(61.8 1)", {"bow-tie"}),
        ("POINT(61 1.8)", set[str]()),
        ("POINT(150 0)", {"round"}),
        ("POINT(151.9 0)", {"round"}),
        ("POINT(152.1 0)", set[str]()),
        ("POINT(300 -10)", {"wide"}),
        ("POINT(270 10)", {"wide"}),
        ("POINT(120 10)", set[str]()),
    ],
)
async def test_a_point_is_covered_and_met_by_the_same_footprints(
    door: Door, point: str, expected: set[str]
) -> None:
    assert await found(door, covers=point) == expected
    assert await found(door, intersects=point) == expected


@pytest.mark.parametrize(
    ("region", "covered_by", "met_by"),
    [
        ("POLYGON((10.2 10.2,10.2 10.8,10.8 10.8,10.8 10.2,10.2 10.2))", {"plain"}, {"plain"}),
        ("POLYGON((10.2 10.2,10.2 11.8,10.8 11.8,10.8 10.2,10.2 10.2))", set[str](), {"plain"}),
        ("POLYGON((9 9,9 12,12 12,12 9,9 9))", set[str](), {"plain"}),
        ("POLYGON((9 9,9 12,22 12,22 9,9 9))", set[str](), {"plain", "clockwise"}),
        ("POLYGON((12 9,12 12,19 12,19 9,12 9))", set[str](), set[str]()),
        ("LINESTRING(10.1 10.2,10.9 10.9)", {"plain"}, {"plain"}),
        ("LINESTRING(9 10.5,12 10.5)", set[str](), {"plain"}),
        ("LINESTRING(9 12,12 12)", set[str](), set[str]()),
        ("MULTIPOINT((10.5 10.5),(10.6 10.6))", {"plain"}, {"plain"}),
        ("MULTIPOINT(10.5 10.5,20.5 10.5)", set[str](), {"plain", "clockwise"}),
        (
            "MULTIPOLYGON(((10.2 10.2,10.2 10.4,10.4 10.4,10.2 10.2)),"
            "((20.2 10.2,20.2 10.4,20.4 10.4,20.2 10.2)))",
            set[str](),
            {"plain", "clockwise"},
        ),
        ("GEOMETRYCOLLECTION(POINT(10.5 10.5),LINESTRING(10.1 10.2,10.9 10.9))", {"plain"}, {"plain"}),
        # All corners are in the L, but its notch isn't.
        ("POLYGON((40.5 3,43.5 0.5,40.5 0.5,40.5 3))", set[str](), {"notched"}),
        ("POLYGON((40.2 3,40.8 3,40.8 0.5,40.2 0.5,40.2 3))", {"notched"}, {"notched"}),
        ("LINESTRING(40.5 3.5,43.5 0.5)", set[str](), {"notched"}),
        ("LINESTRING(40.5 0.5,43.5 0.5)", {"notched"}, {"notched"}),
        ("POLYGON((42 2,42 3,43 3,43 2,42 2))", set[str](), set[str]()),
        ("POLYGON((149 -1,149 1,151 1,151 -1,149 -1))", {"round"}, {"round"}),
        ("POLYGON((-1 -30.2,-1 -29.8,0.2 -29.8,0.2 -30.2,-1 -30.2))", set[str](), {"over-zero"}),
        ("POLYGON((359.8 -30.2,359.8 -29.8,0.2 -29.8,0.2 -30.2,359.8 -30.2))", {"over-zero"}, {"over-zero"}),
        ("POLYGON((0 89.5,120 89.5,240 89.5,0 89.5))", {"north"}, {"north"}),
        ("POLYGON((280 -30,280 10,320 10,320 -30,280 -30))", {"wide"}, {"wide"}),
        # A hole isn't part of the region.
        (
            "POLYGON((9 9,9 12,12 12,12 9,9 9),(9.5 9.5,9.5 11.5,11.5 11.5,11.5 9.5,9.5 9.5))",
            set[str](),
            set[str](),
        ),
        (
            '{"type":"Polygon","coordinates":[[[10.2,10.2],[10.2,10.8],[10.8,10.8],[10.2,10.2]]]}',
            {"plain"},
            {"plain"},
        ),
        # Larger than a piece of a region may be.
        (
            "POLYGON((5 -40,5 40,65 40,65 -40,5 -40))",
            set[str](),
            {"plain", "clockwise", "notched", "bow-tie"},
        ),
    ],
)
async def test_a_region_is_covered_when_all_of_it_is_and_met_when_any_of_it_is(
    door: Door, region: str, covered_by: set[str], met_by: set[str]
) -> None:
    assert await found(door, covers=region) == covered_by
    assert await found(door, intersects=region) == met_by


@pytest.mark.parametrize(
    ("position", "radius", "expected"),
    [
        ("10.5,10.5", "0", {"plain"}),
        ("10.5,10.5", "0.1", {"plain"}),
        ("9.9,10.5", "0.05", set[str]()),
        ("9.9,10.5", "0.1", {"plain"}),
        ("9.9,9.9", "0.13", set[str]()),
        ("9.9,9.9", "0.142", {"plain"}),
        ("15.5,10.5", "4.5", {"plain", "clockwise"}),
        ("15.5,10.5", "4.3", set[str]()),
        ("180.0,90.0", "0.5", {"north"}),
        ("12:00:00,+90:00:00", "2", {"north"}),
        ("00:00:00.0 , -30:00:00", "0.001", {"over-zero"}),
        ("359.2,-30", "0.31", {"over-zero"}),
        ("05:34:31.92,+22:00:52.2", "1e-9", {"tiny"}),
        ("5h34m31.92s,+22d00m52.2s", "0.5", {"tiny"}),
        ("43,3", "1.9", set[str]()),
        ("43,3", "2.01", {"notched"}),
        ("0,0", "90", set(CATALOGUE) - {"at-180", "south", "north", "sliver", "round"} | {"north", "south"}),
    ],
)
async def test_a_cone_finds_what_comes_within_its_radius(
    door: Door, position: str, radius: str, expected: set[str]
) -> None:
    assert await found(door, position=position, radius=radius) == expected


async def test_what_has_no_footprint_or_no_date_is_never_found(door: Door) -> None:
    for query in (
        {"covers": "POINT(10.5 10.5)"},
        {"intersects": "POLYGON((9 9,9 12,12 12,12 9,9 9))"},
        {"position": "10.5,10.5", "radius": "90"},
    ):
        assert not MISSED & set(await door.names(urlencode({"limit": "1000", **query})))


async def test_places_combine_with_each_other_and_with_other_filters(door: Door) -> None:
    both = {"covers": "POINT(10.5 10.5)", "intersects": "LINESTRING(10.5 10.5,20.5 10.5)"}
    assert await found(door, **both) == {"plain"}
    assert await found(door, **both, position="20.5,10.5", radius="5") == set()
    assert await found(door, **both, position="20.5,10.5", radius="9.5") == {"plain"}
    assert await found(door, **both, site_id="xxx") == set()
    assert await found(door, **both, start="2025-03-01", end="2025-03-02") == {"plain"}
    assert await found(door, **both, start="2025-03-02") == set()
    assert await found(door, **both, public="false") == set()


async def test_empty_places_are_no_filters(door: Door) -> None:
    assert await found(door, covers="", intersects=" ", position="", radius="") == set(CATALOGUE)


async def test_the_filters_hold_for_a_detail_too(door: Door) -> None:
    plain = (await door.page("basename_exact=plain"))["results"][0]["id"]
    for query, status in (
        ("covers=POINT(10.5 10.5)", 200),
        ("covers=POINT(12 10.5)", 404),
        ("intersects=LINESTRING(9 10.5,12 10.5)", 200),
        ("position=10.5,10.5&radius=1", 200),
        ("position=12.5,10.5&radius=1", 404),
    ):
        assert (await door.get(f"{FRAMES}{plain}/?{query}")).status_code == status, query
    assert (await door.get(f"{FRAMES}{plain}/?covers=foo")).status_code == 400


@pytest.mark.parametrize("name", ["covers", "intersects"])
@pytest.mark.parametrize(
    "text",
    [
        "10.5 10.5", "foo", "POINT", "POINT()", "POINT(10)", "POINT(10 10", "POINT(10,10)", "POINT(a b)",
        "POINT(inf 0)", "POINT(nan 0)", "POINT(1e999 0)", "POINT(10 10) POINT(11 11)", "POINT EMPTY",
        "POLYGON((0 0,0 1,1 1))", "POLYGON((0 0,0 1,0 0))", "POLYGON(0 0,0 1,1 1,0 0)",
        "POLYGON((0 0,180 0,0 0,0 0))", "LINESTRING(0 0,180 0)", "LINESTRING(0 90,0 -90)",
        "LINESTRING(1 1)", "MULTIPOLYGON(((0 0)))", "SRID=3857;POINT(1 1)", "SRID=;POINT(1 1)",
        "CIRCLE(1 1,1)", "{}", "[]", '{"type":"Point"}', '{"type":"Point","coordinates":["a",1]}',
        '{"type":"Point","coordinates":[1,NaN]}', '{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}',
        "POINT(10 10)\x00", "Ω", "'; DROP TABLE archive_frame; --", "GEOMETRYCOLLECTION(" * 50, "(" * 10_000,
    ],
)  # fmt: skip
async def test_what_is_no_region_is_refused_in_an_array_of_one_sentence(
    door: Door, name: str, text: str
) -> None:
    answer = await door.get(FRAMES, **{name: text})
    assert answer.status_code == 400, answer.text
    said = answer.json()
    assert isinstance(said, list)
    assert len(said) == 1
    assert said[0].startswith(f"Error with {name} query: ")
    assert len(said[0]) < 300
    assert "\n" not in said[0]


async def test_a_point_that_is_none_is_refused_in_the_words_that_clients_know(door: Door) -> None:
    answer = await door.get(FRAMES, covers="POINT(10,10)")
    assert answer.json() == [
        "Error with covers query: Point must be specified with exact format 'POINT(RA DEC)'"
    ]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"position": "10,10"}, {"radius"}),
        ({"radius": "1"}, {"position"}),
        ({"position": "10", "radius": "1"}, {"position"}),
        ({"position": "10,91", "radius": "1"}, {"position"}),
        ({"position": "10,10,10", "radius": "1"}, {"position"}),
        ({"position": "25:00:00,10", "radius": "1"}, {"position"}),
        ({"position": "x,y", "radius": "z"}, {"position", "radius"}),
        ({"position": "inf,0", "radius": "1"}, {"position"}),
        ({"position": "10,10", "radius": "-1"}, {"radius"}),
        ({"position": "10,10", "radius": "90.1"}, {"radius"}),
        ({"position": "10,10", "radius": "nan"}, {"radius"}),
        ({"position": "10,10\x00", "radius": "1", "start": "x"}, {"position", "start"}),
    ],
)
async def test_a_cone_that_is_none_is_refused_by_parameter(
    door: Door, query: dict[str, str], wrong: set[str]
) -> None:
    answer = await door.get(FRAMES, **query)
    assert answer.status_code == 400
    assert set(answer.json()) == wrong
    assert all(len(sentences) == 1 for sentences in answer.json().values())


async def test_an_area_that_moves_is_found_where_it_is(door: Door) -> None:
    await door.file("moving", area=area(square(200.0, 50.0)), target_name="moving")
    query = "target_name_exact=moving&covers=POINT({} 50)"
    assert await door.names(query.format(200)) == ["moving"]
    again = {"version_set": [{"key": "m2", "md5": "a" * 32, "extension": ".fits"}], "target_name": "moving"}
    await door.file("moving", area=area(square(210.0, 50.0)), **again)
    assert await door.names(query.format(200)) == []
    assert await door.names(query.format(210)) == ["moving"]
    again["version_set"] = [{"key": "m3", "md5": "b" * 32, "extension": ".fits"}]
    bent = [(218.0, 48.0), (222.0, 48.0), (222.0, 49.0), (219.0, 49.0), (219.0, 52.0), (218.0, 52.0)]
    await door.file("moving", area=area(bent), **again)
    assert await door.names(query.format(210)) == []
    assert await door.names(query.format(218.5)) == ["moving"]
    assert await door.names(query.format(221)) == []
    again["version_set"] = [{"key": "m4", "md5": "c" * 32, "extension": ".fits"}]
    await door.file("moving", area=None, **again)
    assert await door.names(query.format(218.5)) == []


async def test_who_may_not_see_a_frame_does_not_find_it_by_place(door: Door) -> None:
    hidden = {"public_date": "2999-01-01T00:00:00Z", "proposal_id": "SECRET", "target_name": "hidden"}
    await door.file("hidden", area=area(square(230.0, 10.0)), **hidden)
    member = await door.house.account("sky-member", projects=("SECRET",))
    for query in ("covers=POINT(230 10)", "position=230,10&radius=1"):
        assert await door.names(query) == ["hidden"]
        assert await door.names(query, member) == ["hidden"]
        page = await door.page(query, NOBODY)
        assert (page["count"], names(page)) == (0, [])


async def test_an_area_with_opposite_corners_is_refused(door: Door) -> None:
    answer = await door.post(
        FRAMES, {"basename": "opposite", "area": area([(0.0, 0.0), (180.0, 0.0), (90.0, 45.0)])}
    )
    assert answer.status_code == 400
    assert answer.json()["area"][0].startswith("Invalid polygon: ")


# A field that was observed very often ---------------------------------------------------------------

VISITS = 2_400
FIRST = datetime(2019, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(door: Door) -> list[tuple[str, datetime]]:
    """A field with more frames than are sorted at once, some nights of it busy, newest first."""
    chance = random.Random(3)
    visits: list[tuple[str, datetime]] = []
    for number in range(VISITS):
        night = chance.choice((0, 0, 0, 1, 2, 40, 400, 1500))
        moment = FIRST + timedelta(days=night, seconds=chance.randrange(20_000))
        visits.append((f"visit-{number:05d}", moment))
    lines: list[dict[str, Any]] = []
    for basename, moment in visits:
        ra, dec = 275.0 + chance.uniform(-0.05, 0.05), 65.0 + chance.uniform(-0.02, 0.02)
        lines.append({"basename": basename, "area": area(square(ra, dec, 0.2)), "observation_date": moment})
    await _file_all(door, lines)
    return sorted(visits, key=lambda visit: visit[1], reverse=True)


async def _file_all(door: Door, lines: list[dict[str, Any]]) -> None:
    for start in range(0, len(lines), 500):
        bodies = [
            posted(one["basename"], area=one["area"], observation_date=one["observation_date"].isoformat())
            for one in lines[start : start + 500]
        ]
        answer = await door.client.post(
            f"{FRAMES}bulk?answers=brief",
            content="\n".join(map(json.dumps, bodies)),
            headers={**await door.house.staff(), "Content-Type": "application/x-ndjson"},
        )
        results = [json.loads(line) for line in answer.text.splitlines()]
        assert [one["status"] for one in results] == [201] * len(bodies)


@pytest.mark.parametrize("place", ["covers=POINT(275 65)", "position=275,65&radius=0.01"])
@pytest.mark.parametrize("offset", [0, 7, 1000, VISITS - 5, VISITS + 5])
@pytest.mark.parametrize("downwards", [True, False])
async def test_a_crowded_field_is_paged_in_order(
    door: Door, crowd: list[tuple[str, datetime]], place: str, offset: int, downwards: bool
) -> None:
    order = "-observation_date,-id" if downwards else "observation_date,id"
    page = await door.page(f"{place}&limit=30&offset={offset}&ordering={order}")
    expected = [moment for _, moment in (crowd if downwards else crowd[::-1])][offset : offset + 30]
    seen = [datetime.fromisoformat(one["observation_date"]) for one in page["results"]]
    assert seen == expected
    assert (page["next"] is None) == (offset + 30 >= VISITS)


async def test_a_crowded_field_is_counted_to_the_end_on_demand(
    door: Door, crowd: list[tuple[str, datetime]]
) -> None:
    page = await door.page("covers=POINT(275 65)&limit=10")
    assert page["count_estimated"]
    assert 2000 <= page["count"] < len(crowd)
    page = await door.page("covers=POINT(275 65)&limit=10&force_count=1")
    assert (page["count"], page["count_estimated"]) == (VISITS, False)


async def test_a_crowded_field_is_walked_by_cursor_without_loss(
    door: Door, crowd: list[tuple[str, datetime]]
) -> None:
    seen: list[str] = []
    url: str | None = f"{FRAMES}?covers=POINT(275 65)&pagination_style=cursor&limit=500"
    while url:
        answer = await door.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += names(page)
        url = page["next"]
    assert len(seen) == len(set(seen)) == VISITS
    assert set(seen) == {basename for basename, _ in crowd}


async def test_a_crowded_field_within_dates(door: Door, crowd: list[tuple[str, datetime]]) -> None:
    start, end = FIRST + timedelta(days=30), FIRST + timedelta(days=500)
    expected = [basename for basename, moment in crowd if start <= moment <= end]
    page = await door.page(f"covers=POINT(275 65)&limit=1000&start={start:%Y-%m-%d}&end={end:%Y-%m-%d}")
    assert sorted(names(page)) == sorted(expected)


async def test_a_crowded_field_in_another_order(door: Door, crowd: list[tuple[str, datetime]]) -> None:
    found = await door.names("covers=POINT(275 65)&limit=20&ordering=basename")
    assert found == sorted(basename for basename, _ in crowd)[:20]
