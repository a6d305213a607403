"""Column types that mean the same in both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import pytest_asyncio
from sqlalchemy import Column, MetaData, Table, delete, insert, select

from entrepot.kernel.db import Database, Double, Id, Text, Timestamp, WriteSession, next_id

thing = Table(
    "thing",
    MetaData(),
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("text", Text),
    Column("moment", Timestamp),
    Column("number", Double),
    sqlite_autoincrement=True,
)


@pytest_asyncio.fixture
async def things(database: Database) -> AsyncIterator[Database]:
    async with database.writer.begin() as connection:
        await connection.run_sync(thing.create)
    yield database


async def add(database: Database, **values: object) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(insert(thing).values(**values))

    await database.transact(work)


MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2025, 3, 4, 5, 6, 7, 890123, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(2025, 3, 4, 5, 6, 7, tzinfo=timezone(-timedelta(hours=23))),
    datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]


async def test_moments_come_back_to_the_microsecond_in_utc_and_in_order(things: Database) -> None:
    for moment in (*reversed(MOMENTS), None):
        await add(things, moment=moment)
    async with things.read() as session:
        rows = await session.all(select(thing.c.moment).where(thing.c.moment.is_not(None)).order_by("moment"))
        found = [row[0] for row in rows]
        assert found == sorted(MOMENTS)
        assert {moment.tzinfo for moment in found} == {UTC}
        for moment in MOMENTS:
            assert await session.scalar(select(thing.c.moment).where(thing.c.moment == moment)) == moment
        later = await session.all(select(thing.c.id).where(thing.c.moment > MOMENTS[3]))
        assert len(later) == 4
        assert await session.scalar(select(thing.c.id).where(thing.c.moment.is_(None))) is not None


TEXTS = [
    "",
    "A",
    "B",
    "Z",
    "a",
    "a ",
    "ab",
    "b",
    "~",
    "\u00e9",
    "e\u0301",
    "\u03a9",
    "\ufb01",
    "\uffff",
    "\U0001f52d",
]


async def test_texts_are_compared_and_sorted_by_code_point(things: Database) -> None:
    for text in reversed(TEXTS):
        await add(things, text=text)
    async with things.read() as session:
        found = [row[0] for row in await session.all(select(thing.c.text).order_by(thing.c.text))]
        assert found == sorted(TEXTS)
        for text in TEXTS:
            assert [
                row[0] for row in await session.all(select(thing.c.text).where(thing.c.text == text))
            ] == [text]
        after = await session.all(select(thing.c.text).where(thing.c.text > "a").order_by(thing.c.text))
        assert [row[0] for row in after] == [text for text in sorted(TEXTS) if text > "a"]


@pytest.mark.parametrize("number", [0.1, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), 1 / 3])
async def test_numbers_come_back_to_the_bit(things: Database, number: float) -> None:
    await add(things, number=number)
    async with things.read() as session:
        found = await session.scalar(select(thing.c.number))
    assert repr(found) == repr(number)


async def test_ids_have_64_bits(things: Database) -> None:
    await add(things, id=2**62)
    async with things.read() as session:
        assert await session.scalar(select(thing.c.id)) == 2**62


async def take(database: Database, text: str) -> list[int]:
    """Draw two ids, and insert rows under them."""

    async def work(session: WriteSession) -> list[int]:
        row = await session.first(select(next_id(thing.c.id), next_id(thing.c.id, 1)))
        assert row is not None
        for number in row:
            await session.execute(insert(thing).values(id=number, text=text))
        return list(row)

    return await database.transact(work)


async def test_the_next_id_is_free_and_never_given_twice(things: Database) -> None:
    first = await take(things, "first")
    await add(things, text="by itself")
    second = await take(things, "second")

    async def remove(session: WriteSession) -> None:
        await session.execute(delete(thing).where(thing.c.text == "second"))

    await things.transact(remove)
    third = await take(things, "third")
    await add(things, text="by itself")
    numbers = [*first, *second, *third]
    assert len(set(numbers)) == 6
    assert numbers == sorted(numbers)
    async with things.read() as session:
        assert len(await session.all(select(thing.c.id))) == 6


async def test_ids_drawn_at_once_differ(things: Database) -> None:
    drawn = await asyncio.gather(*(take(things, str(number)) for number in range(12)))
    numbers = [number for pair in drawn for number in pair]
    assert len(set(numbers)) == 24
