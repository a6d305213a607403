"""Event rows: written with the change, deleted when they are old."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select

from entrepot.kernel.db import Database, WriteSession
from entrepot.kernel.events import events, prune_job, record
from entrepot.kernel.jobs import Jobs
from tests.services.postgres import fresh_database


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool=2)
    try:
        async with database.writer.begin() as connection:
            await connection.run_sync(events.create)
        yield database
    finally:
        await database.close()


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        async with opened(f"sqlite:///{tmp_path / 'catalogue.sqlite'}") as made:
            yield made
    else:
        with fresh_database("events") as url:
            async with opened(url) as made:
                yield made


async def rows(database: Database) -> list[tuple[str, object, datetime]]:
    async with database.read() as session:
        found = await session.all(select(events).order_by(events.c.id))
    return [(row.kind, json.loads(row.body), row.created) for row in found]


async def test_an_event_is_written_with_the_change(database: Database) -> None:
    now = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
    body = {"frame": 12, "name": "Größe ☉", "parts": [1, None], "nested": {"a": True}}

    async def work(session: WriteSession) -> None:
        await record(session, "archive.ingested", body, now=now)

    await database.transact(work)
    assert await rows(database) == [("archive.ingested", body, now)]


async def test_an_event_of_a_change_that_fails_was_never_there(database: Database) -> None:
    async def work(session: WriteSession) -> None:
        await record(session, "archive.ingested", {}, now=datetime.now(UTC))
        raise LookupError

    with pytest.raises(LookupError):
        await database.transact(work)
    assert await rows(database) == []


@pytest.mark.parametrize(
    ("body", "error"),
    [({"x": float("nan")}, ValueError), ({"x": float("inf")}, ValueError), ({"x": b"bytes"}, TypeError)],
)
async def test_a_body_that_json_can_t_carry_is_refused(
    tmp_path: Path, body: Mapping[str, object], error: type[Exception]
) -> None:
    async def work(session: WriteSession) -> None:
        await record(session, "archive.ingested", body, now=datetime.now(UTC))

    async with opened(f"sqlite:///{tmp_path / 'catalogue.sqlite'}") as database:
        with pytest.raises(error):
            await database.transact(work)
        assert await rows(database) == []


async def test_old_events_are_deleted_and_young_ones_kept(database: Database, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ages = [*[timedelta(days=31)] * 1200, timedelta(days=29), timedelta(0)]

    async def work(session: WriteSession) -> None:
        for number, age in enumerate(ages):
            await record(session, "test.aged", {"number": number}, now=now - age)

    await database.transact(work)
    jobs = Jobs(broker_url="", lock_folder=tmp_path, sweep_seconds=60)
    jobs.register([prune_job(database, keep_days=30)])
    await jobs.drain()
    await jobs.stop()
    assert [body for _, body, _ in await rows(database)] == [{"number": 1200}, {"number": 1201}]


async def test_numbers_of_deleted_events_are_not_given_again(database: Database) -> None:
    async def write(session: WriteSession) -> None:
        await record(session, "test.numbered", {}, now=datetime.now(UTC))

    async def empty(session: WriteSession) -> None:
        await session.execute(events.delete())

    await database.transact(write)
    await database.transact(empty)
    await database.transact(write)
    async with database.read() as session:
        assert await session.scalar(select(events.c.id)) == 2
