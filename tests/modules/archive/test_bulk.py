"""Filing many frames in one request: a line of result for each line, in order, whatever is in the others."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from entrepot.kernel.identity import Role, Scope
from entrepot.kernel.web import exchange
from tests.modules.archive.bulk_door import BULK, NDJSON, Exchange, bulk, in_pieces, lines_of, parsed
from tests.modules.archive.door import FRAMES, VERSIONS, Door, assert_one_sentence_each
from tests.modules.archive.frames import posted, version
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 4 * 2**20


async def test_each_line_is_answered_in_order_as_a_post_is(door: Door, name: str) -> None:
    single = await door.file(f"{name}-single")
    bodies = [posted(f"{name}-{number}") for number in range(250)]
    found = await bulk(door, bodies)
    assert [one["line"] for one in found] == list(range(1, 251))
    assert {one["status"] for one in found} == {201}
    for body, one in zip(bodies, found, strict=True):
        assert set(one) == {"line", "status", "frame"}
        assert list(one["frame"]) == list(single)
        assert one["frame"]["basename"] == body["basename"]
        assert one["frame"]["version_set"][0]["md5"] == body["version_set"][0]["md5"]
    ids = [one["frame"]["id"] for one in found]
    assert ids == sorted(set(ids))
    last = await door.detail(ids[-1])
    assert last["url"] == found[-1]["frame"]["url"]
    assert last["url"].startswith("http://archive.test/archive/files/")
    assert len(await door.names(f"basename={name}-2&limit=1000")) == 61
    assert (await door.get(f"{FRAMES}{ids[7]}/headers/")).json()["data"] == bodies[7]["headers"]


async def test_a_bad_line_harms_no_other(door: Door, name: str) -> None:
    good, same = posted(f"{name}-good"), posted(f"{name}-same", version_set=[version(f"{name}-good")])
    bad = posted(f"{name}-bad") | {"site_id": "far too long", "area": 7}
    unfit = posted(f"{name}-unfit") | {"site_id": ".."}
    found = await bulk(
        door, [good, bad, same, unfit, posted(f"{name}-last", related_frame_filenames=["x-y"])]
    )
    assert [one["status"] for one in found] == [201, 400, 400, 400, 201]
    for one, body in zip(found[1:4], (bad, same, unfit), strict=True):
        assert one["errors"] == (await door.post(FRAMES, body)).json()
    assert await door.names(f"basename={name}-") == [f"{name}-last", f"{name}-good"]


MALFORMED = {
    "no-json": b"nonsense", "half": b'{"basename": "x', "array": b"[]", "number": b"1", "null": b"null",
    "text": b'"frame"', "empty-object": b"{}", "nan": b'{"exposure_time": NaN}',
    "large": b'{"exposure_time": 1e999}', "utf-8": b'{"basename": "\xff\xfe"}',
    "surrogate": b'{"basename": "\\ud800", "headers": "\\ud800"}', "nul": b'{"basename": "\x00"}',
    "nul-alone": b"\x00", "deep": b"[" * 5000 + b"]" * 5000, "two": b"{} {}", "comma": b"{},",
    "digits": b'{"observation_id": ' + b"9" * 5000 + b"}",
    "marks": b'{"basename": "\\u0001\\u0002", "configuration_type": "\\u0001"}',
    "separator": '{"configuration_type": "a\u2028b\u0085c"}'.encode(), "bom-inside": b"\xef\xbb\xbf{",
    "utf-16": '{"basename": "x"}'.encode("utf-16-le"), "latin-1": '{"basename": "é"}'.encode("latin-1"),
}  # fmt: skip


@pytest.mark.parametrize("key", [None, "kept"])
@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_line_is_refused_alone(door: Door, name: str, kind: str, key: str | None) -> None:
    before, after = (lines_of([posted(f"{name}-{which}")]) for which in ("before", "after"))
    more = {} if key is None else {"key": name}
    body = before + MALFORMED[kind] + b"\n" + after
    first, wrong, last = await bulk(door, body, **more)
    assert (first["status"], wrong["status"], last["status"]) == (201, 400, 201)
    assert (wrong["line"], last["line"]) == (2, 3)
    assert_one_sentence_each(wrong["errors"])
    who = dict(await door.house.staff()) | {"Content-Type": "application/json"}
    alone = await door.client.post(FRAMES, content=MALFORMED[kind], headers=who)
    assert (alone.status_code, alone.json()) == (400, wrong["errors"])
    if key:
        assert await bulk(door, body, **more) == [
            {"line": one["line"], "repeated": True, **one} for one in (first, wrong, last)
        ]


@pytest.mark.parametrize("sizes", [(1,), (7, 50, 3), (10**6,)], ids=str)
async def test_line_ends_and_blank_lines(door: Door, name: str, sizes: tuple[int, ...]) -> None:
    one, two, three = (lines_of([posted(f"{name}-{number}", version_set=[])])[:-1] for number in range(3))
    body = b"\n \t\r\n" + one + b"\r\n\r\n\n" + two + b"\n   \n" + three  # the last has no end
    asked = Exchange(door.app, await door.house.staff())
    await asked.run(in_pieces(body, sizes))
    assert [(found["line"], found["status"]) for found in asked.results] == [(3, 201), (6, 201), (8, 201)]
    assert await bulk(door, one + b"\r\n" + three + b"\r") == [
        {"line": line, "status": 201, "frame": asked.results[at]["frame"]} for line, at in ((1, 0), (2, 2))
    ]


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n  \n\n"])
async def test_nothing_to_file_is_no_fault(door: Door, body: bytes) -> None:
    assert await bulk(door, body) == []
    assert await bulk(door, body, key="nothing") == []


async def test_a_line_over_the_limit_is_passed_over(door: Door, name: str) -> None:
    good = [lines_of([posted(f"{name}-{number}", version_set=[])]) for number in range(2)]
    fits = lines_of([posted(f"{name}-fits", version_set=[])])[:-1]
    fits += b" " * (LIMIT - len(fits))
    body = good[0] + fits + b"\n" + b"x" * (LIMIT + 1) + b"\r\n" + good[1] + b"y" * (3 * LIMIT)
    asked = Exchange(door.app, {**await door.house.staff(), "Idempotency-Key": name})
    await asked.run(in_pieces(body, (2**18, 2**16 + 1)))
    assert [one["status"] for one in asked.results] == [201, 201, 413, 201, 413]
    assert asked.results[2] == {
        "line": 3,
        "status": 413,
        "errors": {"detail": "The line is longer than the 4,194,304 bytes that are taken here."},
    }
    again = Exchange(door.app, {**await door.house.staff(), "Idempotency-Key": name})
    await again.run(in_pieces(body, (2**19,)))
    assert [{**one, "repeated": True} for one in asked.results] == again.results
    other = body.replace(b"x" * 10, b"x" * 9 + b"z", 1)
    await (changed := Exchange(door.app, again.headers)).run(in_pieces(other, (2**19,)))
    assert changed.results[-1]["status"] == 409 if changed.status == 200 else changed.status == 409


async def test_a_brief_answer_has_id_and_url_alone(door: Door, name: str) -> None:
    bodies = [posted(f"{name}-é {number}") for number in range(3)] + [
        posted(f"{name}-bare", version_set=[]),
        {},
    ]
    for key in ({}, {"key": name}):
        changed = [body | {"version_set": []} if key else body for body in bodies]
        *found, refused = await bulk(door, changed, answers="brief", **key)
        assert refused["status"] == 400
        for one in found:
            assert set(one["frame"]) == {"id", "url"}
            assert one["frame"]["url"] == (await door.detail(one["frame"]["id"]))["url"]
    again = await bulk(door, changed, answers="brief", key=name)
    assert [one["frame"] for one in again[:4]] == [one["frame"] for one in found]
    full = await bulk(door, changed, key=name)
    assert [one["frame"]["basename"] for one in full[:4]] == [body["basename"] for body in bodies[:4]]
    assert found[3]["frame"]["url"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"}, {"Content-Type": ""}, {"Content-Type": "text/csv"},
        {"Content-Type": "application/x-www-form-urlencoded"}, {**NDJSON, "Content-Encoding": "gzip"},
        {**NDJSON, "Content-Encoding": "identity, br"},
    ],
    ids=str,
)  # fmt: skip
async def test_other_bodies_are_refused(door: Door, name: str, headers: dict[str, str]) -> None:
    who = dict(await door.house.staff())
    answer = await door.client.post(BULK, content=lines_of([posted(name)]), headers=who | headers)
    assert answer.status_code == 415
    assert_one_sentence_each(answer.json())
    assert await door.names(f"basename_exact={name}") == []


@pytest.mark.parametrize(
    "given",
    ["application/x-ndjson; charset=utf-8", "Application/JSONL", "application/ndjson",
     "application/x-jsonlines", "application/json-lines"],
)  # fmt: skip
async def test_all_names_of_lines_of_json_are_known(door: Door, name: str, given: str) -> None:
    who = dict(await door.house.staff()) | {"Content-Type": given, "Content-Encoding": "identity"}
    answer = await door.client.post(f"{BULK}/", content=lines_of([posted(name)]), headers=who)
    assert [one["status"] for one in parsed(answer.text)] == [201]


@pytest.mark.parametrize("key", ["", "é", "a" * 201, "tab\there", "a\x7f"])
async def test_a_key_that_is_none_is_refused(door: Door, key: str) -> None:
    asked = Exchange(door.app, {**await door.house.staff(), "Idempotency-Key": key})
    await asked.run(in_pieces(b"{}\n"))
    assert asked.status == 400
    assert_one_sentence_each(json.loads(b"".join(asked.sent)))


async def test_what_else_is_wrong_with_a_request(door: Door) -> None:
    who = dict(await door.house.staff()) | NDJSON
    answer = await door.client.post(BULK, content=b"", headers=who, params={"answers": "short"})
    assert (answer.status_code, answer.json()) == (400, {"answers": ["Choose full or brief."]})
    twice = [*who.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert (await door.client.post(BULK, content=b"", headers=twice)).status_code == 400


async def test_only_staff_who_may_write_file(door: Door, name: str) -> None:
    house = door.house
    refused = {
        401: {},
        403: await house.account("bulk-member", projects=("PROP-1",)),
    }
    reader = await house.account("bulk-reader", Role.STAFF, scope=Scope.READ)
    for status, who in [*refused.items(), (403, reader), (401, {"Authorization": "Token nobody"})]:
        asked = Exchange(door.app, who)
        await asked.run(in_pieces(lines_of([posted(name)] * 100)))
        assert (asked.status, asked.taken) == (status, 0)
    admin = await house.account("bulk-admin", Role.ADMIN)
    assert [one["status"] for one in await bulk(door, [posted(name)], admin)] == [201]


async def test_a_result_comes_while_the_body_is_still_open(door: Door, name: str) -> None:
    asked = Exchange(door.app, await door.house.staff())

    async def slowly() -> AsyncIterator[bytes]:
        for number in range(3):
            yield lines_of([posted(f"{name}-{number}", version_set=[])])[:-5]
            yield lines_of([posted(f"{name}-{number}", version_set=[])])[-5:]
            await asyncio.wait_for(asked.has_sent(number + 1), 10)
            assert asked.results[-1]["line"] == number + 1

    await asked.run(slowly())
    assert [one["status"] for one in asked.results] == [201] * 3


async def test_a_client_that_sends_all_before_it_reads_is_served(
    door: Door, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of more than any buffer between the two: they would wait for each other for ever."""
    monkeypatch.setattr(exchange, "PATIENCE", 0.01)
    monkeypatch.setattr(exchange, "IN_MEMORY", 10_000)
    asked = Exchange(door.app, await door.house.staff())
    bodies = [posted(f"{name}-{number}", version_set=[]) for number in range(1000)]
    async with asyncio.timeout(30):
        await asked.run(in_pieces(lines_of(bodies), (3000, 70_000)), reads=False)
    assert [one["line"] for one in asked.results] == list(range(1, 1001))
    assert {one["status"] for one in asked.results} == {201}


async def test_what_was_committed_when_the_client_went_away_stays(door: Door, name: str) -> None:
    asked = Exchange(door.app, await door.house.staff())
    bodies = [
        posted(f"{name}-{number:03}", version_set=[version(f"{name}{number}")]) for number in range(270)
    ]
    await asked.run(in_pieces(lines_of(bodies)[:-20], (5000,)), cut=True)
    answered = len([piece for sent in asked.sent for piece in sent.split(b"\n") if piece])
    there = (await door.page(f"basename={name}&limit=1"))["count"]
    assert there == 200
    assert answered <= there
    assert await door.names(f"basename={name}-269") == []


async def test_the_rest_of_a_body_does_not_come_into_memory(door: Door, name: str) -> None:
    """5,000 lines of 25 MB: what is held at once is as for 500. Most are refused, which is quicker."""
    garbage = b"x" * 5000 + b"\n"
    await door.house.context.jobs.drain()

    async def many(count: int) -> AsyncIterator[bytes]:
        for number in range(count):
            is_frame = number % 20 == 0
            yield lines_of([posted(f"{name}-{count}-{number}", version_set=[])]) if is_frame else garbage

    peaks: list[int] = []
    for count in (500, 5000):
        asked = Exchange(door.app, await door.house.staff(), Counted())
        tracemalloc.start()
        await asked.run(many(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert asked.sent.lines == count
    assert peaks[1] < peaks[0] * 1.5 + 2**20, peaks


class Counted(list[bytes]):
    """Forgets what it gets, but for how many lines there were."""

    lines = 0

    def append(self, piece: bytes) -> None:
        self.lines += piece.count(b"\n")


async def test_new_versions_are_checked_at_once(door: Door, name: str) -> None:
    await bulk(door, [posted(f"{name}-{number}") for number in range(3)])
    await door.house.context.jobs.drain()
    found = [(await door.get(VERSIONS, md5=version(f"{name}-{number}")["md5"])).json() for number in range(3)]
    assert [one["results"][0]["state"] for one in found] == ["missing"] * 3


async def test_events_and_forward_references(door: Door, name: str, shared_house: House) -> None:
    bodies = [
        posted(f"{name}-science", related_frame_filenames=[f"{name}-master", f"{name}-nobody"]),
        posted(f"{name}-master", configuration_type="BIAS", related_frame_filenames=[f"{name}-science"]),
        posted(f"{name}-science", version_set=[version(f"{name} 2")]),
    ]
    found = await bulk(door, bodies)
    science, master, again = (one["frame"] for one in found)
    assert again["id"] == science["id"]
    assert master["id"] in science["related_frames"]
    assert master["related_frames"] == [science["id"]]
    assert again["related_frames"] == science["related_frames"]
    assert [one["md5"] for one in again["version_set"]] == [
        version(f"{name} 2")["md5"], version(f"{name}-science")["md5"],
    ]  # fmt: skip
    assert len(science["version_set"]) == 1
    detail: dict[str, Any] = await door.detail(science["id"])
    assert detail["related_frames"] == [master["id"]]
    assert detail["version_set"] == again["version_set"]
