"""A stream of frames that is sent again under its key: each line is filed exactly once."""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from entrepot.kernel.db import database
from entrepot.kernel.identity import Role
from tests.modules.archive.bulk_door import (
    BULK,
    NDJSON,
    Exchange,
    bulk,
    in_pieces,
    lines_of,
    parsed,
    plain,
    stream,
)
from tests.modules.archive.door import FRAMES, Door, assert_one_sentence_each
from tests.modules.archive.frames import posted
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

Found = dict[str, Any]


async def assert_filed_once(door: Door, name: str, results: list[Found], bodies: list[Found]) -> None:
    """Check that each line has its result, and the catalogue has of each frame exactly what was sent."""
    assert [one["line"] for one in results] == list(range(1, len(bodies) + 1))
    versions: dict[str, set[str]] = {}
    for body, one in zip(bodies, results, strict=True):
        assert one["status"] == (400 if body["site_id"] == "too long" else 201), one
        if one["status"] == 201:
            assert one["frame"]["basename"] == body["basename"]
            for new in body["version_set"]:
                versions.setdefault(body["basename"], set()).add(new["md5"])
    page = await door.page(f"basename={name}-&limit=1000")
    assert {one["basename"] for one in page["results"]} == set(versions)
    for one in page["results"]:
        assert sorted(item["md5"] for item in one["version_set"]) == sorted(versions[one["basename"]])


@pytest.mark.parametrize("seed", range(2))
async def test_after_a_broken_connection_each_line_is_filed_exactly_once(
    door: Door, name: str, seed: int
) -> None:
    chance = random.Random(seed)
    bodies = stream(name, 450)
    body = lines_of(bodies)
    headers = {**await door.house.staff(), "Idempotency-Key": name}
    before: dict[int, Found] = {}
    for _ in range(2):
        sizes = [chance.randrange(1, 60_000) for _ in range(9)]
        broken = Exchange(door.app, headers)
        await broken.run(in_pieces(body[: chance.randrange(len(body))], sizes), cut=True)
        for one in broken.results:
            assert before.setdefault(one["line"], plain(one)) == plain(one)
    whole = Exchange(door.app, headers)
    await whole.run(in_pieces(body, [chance.randrange(1, 60_000) for _ in range(9)]))
    await assert_filed_once(door, name, whole.results, bodies)
    repeated = {one["line"] for one in whole.results if "repeated" in one}
    assert repeated >= set(before)
    assert repeated == set(range(1, len(repeated) + 1))
    assert {number: plain(whole.results[number - 1]) for number in before} == before
    again = await bulk(door, body, key=name)
    assert [plain(one) for one in again] == [plain(one) for one in whole.results]
    assert all(one["repeated"] is True for one in again)


async def test_the_same_stream_sent_twice_at_once_is_filed_once(door: Door, name: str) -> None:
    bodies = stream(name, 500)
    headers = {**await door.house.staff(), "Idempotency-Key": name}
    body = lines_of(bodies)
    asked = [Exchange(door.app, headers) for _ in range(4)]
    sizes = [(7000,), (7000,), (20_000, 100), (300_000,)]
    await asyncio.gather(*(one.run(in_pieces(body, size)) for one, size in zip(asked, sizes, strict=True)))
    for one in asked:
        await assert_filed_once(door, name, one.results, bodies)
    for answers in zip(*(one.results for one in asked), strict=True):
        assert all(plain(one) == plain(answers[0]) for one in answers)
        assert sum("repeated" not in one for one in answers) == 1


async def test_other_lines_under_a_key_are_refused_by_number(door: Door, name: str) -> None:
    bodies = stream(name, 450)
    await bulk(door, bodies, key=name)
    changed = [*bodies[:300], posted(f"{name}-other"), *bodies[301:]]
    found = await bulk(door, changed, key=name)
    assert [one["line"] for one in found[:-1]] == list(range(1, len(found)))
    assert 200 <= len(found) - 1 <= 300
    assert found[-1]["status"] == 409
    assert "Line 301 " in found[-1]["detail"]
    who = dict(await door.house.staff()) | NDJSON | {"Idempotency-Key": name}
    for first in (posted(f"{name}-other"), {}):
        answer = await door.client.post(BULK, content=lines_of([first, *bodies[1:]]), headers=who)
        assert answer.status_code == 409
        assert_one_sentence_each(answer.json())
        assert "Line 1 " in answer.json()["detail"]
    blank = await door.client.post(BULK, content=b"\n" + lines_of(bodies), headers=who)
    assert blank.status_code == 409
    assert await door.names(f"basename_exact={name}-other") == []


async def test_a_stream_may_end_earlier_or_go_on_under_its_key(door: Door, name: str) -> None:
    bodies = [posted(f"{name}-{number}") for number in range(30)]
    first = await bulk(door, b"\n" + lines_of(bodies[:20]), key=name)
    shorter = await bulk(door, b"\n" + lines_of(bodies[:7]), key=name)
    assert [plain(one) for one in shorter] == first[:7]
    longer = await bulk(door, b"\n" + lines_of(bodies), key=name)
    assert [plain(one) for one in longer[:20]] == first
    assert [one.get("repeated", False) for one in longer] == [True] * 20 + [False] * 10
    assert [one["line"] for one in longer] == list(range(2, 32))


async def test_a_key_is_its_users_own(door: Door, name: str) -> None:
    other = await door.house.account("bulk-other", Role.STAFF)
    first = await bulk(door, [posted(f"{name}-1")], key="shared")
    second = await bulk(door, [posted(f"{name}-2")], other, key="shared")
    assert [one["status"] for one in first + second] == [201, 201]
    assert await bulk(door, [posted(f"{name}-2")], key="shared !~") == [
        {"line": 1, "status": 400, "errors": (await door.post(FRAMES, posted(f"{name}-2"))).json()}
    ]


async def test_without_a_key_lines_that_come_again_are_refused(door: Door, name: str) -> None:
    bodies = [posted(f"{name}-{number}") for number in range(3)]
    await bulk(door, bodies)
    for body, one in zip(bodies, await bulk(door, bodies), strict=True):
        assert (one["status"], one["errors"]) == (400, (await door.post(FRAMES, body)).json())


async def test_urls_of_earlier_results_follow_the_caller(door: Door, name: str) -> None:
    who = dict(await door.house.staff()) | NDJSON | {"Idempotency-Key": name}
    for host in ("archive.test", "other.test"):
        answer = await door.client.post(BULK, content=lines_of([posted(name)]), headers=who | {"Host": host})
        [found] = parsed(answer.text)
        assert found["frame"]["url"].startswith(f"http://{host}/archive/files/")


async def test_keys_are_forgotten_after_days(door: Door, name: str) -> None:
    await bulk(door, [posted(name)], key=name)
    jobs = door.house.context.jobs
    await jobs.drain()
    assert "repeated" in (await bulk(door, [posted(name)], key=name))[0]
    await age(door, name, timedelta(days=6, hours=23))
    await jobs.drain()
    assert "repeated" in (await bulk(door, [posted(name)], key=name))[0]
    await age(door, name, timedelta(days=7, hours=1))
    await jobs.drain()
    [found] = await bulk(door, [posted(name)], key=name)
    assert (found["status"], "repeated" in found) == (400, False)


async def age(door: Door, key: str, days: timedelta) -> None:
    """Make a key's batches look so old."""
    catalogue = door.house.context.database
    moment = datetime.now(UTC) - days
    value: object = int(moment.timestamp() * 1_000_000) if catalogue.is_sqlite else moment
    async with catalogue.writer.begin() as connection:
        await connection.execute(
            text("UPDATE archive_bulk SET created = :moment WHERE key = :key"), {"moment": value, "key": key}
        )


@pytest.mark.parametrize("key", [None, "kept"])
async def test_when_the_database_fails_the_last_line_says_what_to_do(
    house: House, name: str, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT", 0.3)
    async with house.open() as opened:
        headers = {**await opened.staff(), **({"Idempotency-Key": key} if key else {})}
        bodies = [posted(f"{name}-{number}", version_set=[]) for number in range(300)]
        asked = Exchange(opened.client._transport.app, headers)
        async with AsyncExitStack() as stack:
            await asked.run(until_it_fails(asked, bodies, partial(break_database, house, stack)))
            broken = Exchange(asked.app, headers)
            await broken.run(in_pieces(lines_of(bodies)))
        *found, last = asked.results
        assert [one["line"] for one in found] == list(range(1, 201))
        assert set(last) == {"status", "detail"}
        assert last["status"] == 503
        assert ("the same Idempotency-Key" in last["detail"]) is bool(key)
        assert last["detail"].count(".") == 1
        assert broken.status == 503 or broken.results[-1]["status"] == 503
        for _ in range(20):  # connections that were lost are found out one by one
            whole = Exchange(asked.app, headers)
            await whole.run(in_pieces(lines_of(bodies)))
            if whole.status == 200 and len(whole.results) == 300:
                break
        assert [one["line"] for one in whole.results] == list(range(1, 301))
        if key:
            assert ["repeated" in one for one in whole.results][:200] == [True] * 200


async def until_it_fails(
    asked: Exchange, bodies: list[Found], break_it: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    yield lines_of(bodies[:200])
    await asyncio.wait_for(asked.has_sent(1), 20)
    await break_it()
    yield lines_of(bodies[200:])


async def break_database(house: House, stack: AsyncExitStack) -> None:
    """Take the database away until the stack is closed: another holds it, or it takes no connections."""
    url = house.environ.get("ENTREPOT_DATABASE_URL")
    if url is not None:
        stack.push_async_callback(_allow_connections, url, allow=True)
        await _allow_connections(url, allow=False)
        return
    file = house.data_dir / "catalogue.sqlite"
    held = stack.enter_context(contextlib.closing(sqlite3.connect(file, isolation_level=None)))
    held.execute("BEGIN IMMEDIATE")


async def _allow_connections(url: str, *, allow: bool) -> None:
    name = make_url(url).database
    server = await asyncpg.connect(make_url(url).set(database="postgres").render_as_string(False))
    await server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allow}')
    if not allow:
        await server.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await server.close()
