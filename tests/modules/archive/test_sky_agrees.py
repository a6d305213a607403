"""Searches by place in both databases against the library, whose formulas the SQL has."""

import json
import math
import random
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from entrepot.lib.sky import (
    Cover,
    Region,
    cover,
    covers,
    footprint_from_geojson,
    intersects,
    parse_region,
    unit_vector,
    within,
)
from tests.modules.archive.door import Door

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOOTPRINTS = 90
PLACES = 60
SIZES = (1e-5, 1e-3, 0.1, 1.0, 5.0, 15.0, 40.0, 80.0)
"""Radii in degrees; from what a slit sees to all sky."""

Position = tuple[float, float]


def about(centre: Position, distance: float, bearing: float) -> Position:
    """Give the position at a distance from another, all in degrees (spherical law of cosines)."""
    ra, dec, reach, turn = map(math.radians, (*centre, distance, bearing))
    sine = math.sin(dec) * math.cos(reach) + math.cos(dec) * math.sin(reach) * math.cos(turn)
    east = math.sin(turn) * math.sin(reach) * math.cos(dec)
    north = math.cos(reach) - math.sin(dec) * sine
    return math.degrees(ra + math.atan2(east, north)), math.degrees(math.asin(max(-1, min(1, sine))))


def ring(chance: random.Random) -> list[Position]:
    """Make up a footprint: round, bent, crossing itself or a sliver, anywhere, of any size."""
    centre = chance.choice(
        ((0.0, 0.0), (0.1, 89.9), (0.0, -90.0), (chance.uniform(0, 360), chance.gauss(0, 40)))
    )
    centre = (centre[0], max(-90.0, min(90.0, centre[1])))
    size = chance.choice(SIZES)
    count = chance.choice((3, 4, 4, 4, 5, 8, 13))
    turns = sorted(chance.uniform(0, 360) for _ in range(count))
    if chance.random() < 0.2:
        chance.shuffle(turns)
    flat = chance.choice((1.0, 1.0, 1.0, 1e-4))
    near = chance.choice((0.9, 0.5))
    return [
        about(centre, size * chance.uniform(near, 1.0), turn if flat == 1.0 else turn * flat)
        for turn in turns
    ]


def footprints(chance: random.Random) -> list[tuple[dict[str, Any], Cover]]:
    made: list[tuple[dict[str, Any], Cover]] = []
    while len(made) < FOOTPRINTS:
        corners = ring(chance)
        area = {"type": "Polygon", "coordinates": [[list(one) for one in (*corners, corners[0])]]}
        made.append((area, cover(footprint_from_geojson(area))))
    return made


def place(chance: random.Random, made: list[tuple[dict[str, Any], Cover]]) -> Position:
    """Choose a position that matters: in, at or near a footprint."""
    corners: list[Position] = [tuple(one) for one in chance.choice(made)[0]["coordinates"][0]]
    (ra, dec), (other_ra, other_dec) = corners[0], corners[len(corners) // 2]
    share = chance.choice((0.0, 0.5, 0.5, 0.3, 1.1, chance.uniform(-1, 2)))
    if abs(other_ra - ra) > 180:
        other_ra += math.copysign(360, ra - other_ra)
    return ra + share * (other_ra - ra), max(-90.0, min(90.0, dec + share * (other_dec - dec)))


def wkt(chance: random.Random, made: list[tuple[dict[str, Any], Cover]]) -> str:
    centre = place(chance, made)
    size = chance.choice(SIZES[:-1]) * chance.uniform(0.1, 1)
    corners = [about(centre, size, turn + chance.uniform(0, 60)) for turn in (0, 90, 180, 270)]
    kind = chance.choice(("POINT", "LINESTRING", "POLYGON", "POLYGON", "MULTIPOINT", "MULTIPOLYGON"))
    texts = [f"{ra:.12f} {dec:.12f}" for ra, dec in corners]
    if kind == "POINT":
        return f"POINT({centre[0]!r} {centre[1]!r})"
    if kind in ("LINESTRING", "MULTIPOINT"):
        return f"{kind}({','.join(texts[:3])})"
    closed = f"(({','.join((*texts, texts[0]))}))"
    return f"POLYGON{closed}" if kind == "POLYGON" else f"MULTIPOLYGON({closed},{closed})"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(door: Door) -> list[tuple[dict[str, Any], Cover]]:
    filed = footprints(random.Random(20261122))
    for number, (area, _) in enumerate(filed):
        await door.file(f"made-up-{number}", area=area)
    return filed


async def found(door: Door, **query: str) -> set[int]:
    names = await door.names(urlencode({"limit": "1000", **query}))
    return {int(name.removeprefix("made-up-")) for name in names}


@pytest.mark.parametrize("seed", range(PLACES))
async def test_regions(door: Door, made: list[tuple[dict[str, Any], Cover]], seed: int) -> None:
    text = wkt(random.Random(seed), made)
    region: Region = parse_region(text)
    covering = {number for number, (_, one) in enumerate(made) if covers(one, region)}
    meeting = {number for number, (_, one) in enumerate(made) if intersects(one, region)}
    assert await found(door, covers=text) == covering, text
    assert await found(door, intersects=text) == meeting, text


@pytest.mark.parametrize("seed", range(PLACES))
async def test_cones(door: Door, made: list[tuple[dict[str, Any], Cover]], seed: int) -> None:
    chance = random.Random(1000 + seed)
    ra, dec = place(chance, made)
    radius = chance.choice((0.0, *SIZES)) * chance.uniform(0.2, 1.0)
    expected = {number for number, (_, one) in enumerate(made) if within(one, unit_vector(ra, dec), radius)}
    answer = await found(door, position=f"{ra!r},{dec!r}", radius=repr(radius))
    assert answer == expected, json.dumps([ra, dec, radius])


async def test_places_that_matter_find_some_and_not_all(made: list[tuple[dict[str, Any], Cover]]) -> None:
    """Otherwise the tests above would show nothing."""
    shares = [
        sum(intersects(one, parse_region(wkt(random.Random(seed), made))) for _, one in made)
        for seed in range(PLACES)
    ]
    assert sum(0 < share < FOOTPRINTS for share in shares) > PLACES * 3 // 4
    kinds = {len(one.inside) for _, one in made}
    assert {1} < kinds
    assert any(one.outside for _, one in made)
