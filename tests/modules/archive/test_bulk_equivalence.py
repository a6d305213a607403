"""Many frames at once end as the same frames one by one, whatever they have to do with each other."""

import asyncio
import hashlib
import json
import random
from typing import Any

import pytest

from tests.modules.archive.bulk_door import bulk
from tests.modules.archive.door import FRAMES, VERSIONS, Door
from tests.modules.archive.frames import posted

pytestmark = pytest.mark.asyncio(loop_scope="module")

Found = dict[str, Any]
NAMES, SUMS = 12, 30
AREAS: list[object] = [
    None,
    {"type": "Polygon", "coordinates": [[[10, 41], [10, 42], [9, 42], [9, 41], [10, 41]]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [2, 1], [0, 4], [0, 0]]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
]


def sum_of(prefix: str, number: int) -> str:
    return hashlib.md5(f"{prefix} {number}".encode()).hexdigest()


def random_posts(chance: random.Random, prefix: str, count: int) -> list[Found]:
    """Give posts of few names and sums, so that they meet: versions, duplicates, relations, refusals."""
    return [_random_post(chance, prefix) for _ in range(count)]


def _random_post(chance: random.Random, prefix: str) -> Found:
    def name() -> str:
        return f"{prefix}-{chance.randrange(NAMES)}"

    def one() -> Found:
        number = chance.randrange(SUMS)
        key = sum_of(prefix, chance.randrange(SUMS) if chance.random() < 0.1 else number)
        return {"key": key, "md5": sum_of(prefix, number), "extension": chance.choice([".fits", ".fits.fz"])}

    body = posted(
        name(),
        version_set=[one() for _ in range(chance.choice([0, 1, 1, 1, 1, 2, 3]))],
        related_frame_filenames=[name() for _ in range(chance.choice([0, 0, 1, 3]))],
        headers={"N": chance.random()},
        area=chance.choice(AREAS),
        reduction_level=chance.choice([0, 91]),
        observation_date=chance.choice([None, "2025-03-04T05:06:07", "2024-01-01T00:00:00.5"]),
    )
    for field in ("target_name", "exposure_time", "public_date", "proposal_id"):
        if chance.random() < 0.3:
            del body[field]
    if chance.random() < 0.1:
        body |= chance.choice([{"site_id": ".."}, {"site_id": "long"}, {"area": 1}, {"headers": None}])
    return body


async def kept(door: Door, prefix: str, results: list[Found]) -> object:
    """Give all that can be seen of the frames of a prefix, without what must differ."""
    ids = {one["frame"]["id"] for one in results if one["status"] == 201}
    ids |= {other for one in results if one["status"] == 201 for other in one["frame"]["related_frames"]}
    names: dict[int, str] = {}
    seen: list[object] = []
    for one in results:
        if one["status"] == 201:
            names[one["frame"]["id"]] = one["frame"]["basename"]
    for frame_id in sorted(ids):
        detail = await door.get(f"{FRAMES}{frame_id}/")
        headers = await door.get(f"{FRAMES}{frame_id}/headers/")
        related = await door.get(f"{FRAMES}{frame_id}/related/")
        seen.append([detail.json(), headers.json(), related.json() if related.status_code == 200 else None])
    listed = await door.page(f"basename={prefix}&limit=1000&ordering=basename&include_thumbnails=true")
    sums = [(await door.get(VERSIONS, md5=sum_of(prefix, number))).json() for number in range(SUMS)]
    return _alike([seen, listed["results"], sums, results], prefix, sorted(ids))


def _alike(found: object, prefix: str, ids: list[int]) -> object:
    """Replace ids by their rank, sums and names by what they are made of, and leave moments out."""
    text = json.dumps(found, sort_keys=True)
    for number in range(SUMS):
        text = text.replace(sum_of(prefix, number), f"sum {number}")
    text = text.replace(prefix, "PREFIX")
    ranks = {number: rank for rank, number in enumerate(ids)}
    versions: dict[int, int] = {}

    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            walked = {key: walk(inner, key) for key, inner in value.items()}
            if "md5" in value and "id" in value:
                walked["id"] = versions.setdefault(value["id"], 0)
            return walked
        if isinstance(value, list):
            return [walk(inner, name) for inner in value]
        if name in ("id", "frame", "related_frames") and isinstance(value, int):
            return ranks.get(value, value)
        return "" if name in ("created", "checked", "state") else value

    return walk(json.loads(text))


@pytest.mark.parametrize("seed", range(6))
async def test_many_at_once_end_as_one_by_one(door: Door, name: str, seed: int) -> None:
    count = random.Random(seed).choice([7, 40, 260])
    prefixes = [f"{name[-8:]}-{which}" for which in ("one", "all")]
    single, many = (random_posts(random.Random(seed), prefix, count) for prefix in prefixes)
    one_by_one: list[Found] = []
    for line, body in enumerate(single, 1):
        answer = await door.post(FRAMES, body)
        member = "frame" if answer.status_code == 201 else "errors"
        one_by_one.append({"line": line, "status": answer.status_code, member: answer.json()})
    at_once = await bulk(door, many)
    assert {one["status"] for one in at_once} == {201, 400}
    kept_single, kept_many = [
        await kept(door, prefix, found) for prefix, found in zip(prefixes, (one_by_one, at_once), strict=True)
    ]
    assert kept_many == kept_single


@pytest.mark.parametrize("seed", range(2))
async def test_streams_and_posts_that_meet_all_come_through(door: Door, name: str, seed: int) -> None:
    """Frames of the same names from all sides: each is filed or refused, and nothing is filed twice."""
    prefix = name[-8:]
    streams = [random_posts(random.Random(f"{seed} {which}"), prefix, 220) for which in range(3)]
    posts = random_posts(random.Random(seed), prefix, 15)
    *found, answers = await asyncio.gather(
        *(bulk(door, one) for one in streams), asyncio.gather(*(door.post(FRAMES, one) for one in posts))
    )
    filed: list[str] = []
    for sent, results in zip(streams, found, strict=True):
        assert [one["line"] for one in results] == list(range(1, len(sent) + 1))
        for body, one in zip(sent, results, strict=True):
            assert one["status"] in (201, 400), one
            if one["status"] == 201:
                filed += [new["md5"] for new in body["version_set"]]
    for body, answer in zip(posts, answers, strict=True):
        assert answer.status_code in (201, 400), answer.text
        if answer.status_code == 201:
            filed += [new["md5"] for new in body["version_set"]]
    assert len(filed) == len(set(filed))
    there = [(await door.get(VERSIONS, md5=sum_of(prefix, number))).json() for number in range(SUMS)]
    assert {one["results"][0]["md5"] for one in there if one["count"]} == set(filed)
    page = await door.page(f"basename={prefix}&limit=1000")
    for one in page["results"]:
        ids = [item["id"] for item in one["version_set"]]
        assert ids == sorted(ids, reverse=True)
