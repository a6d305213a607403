"""Many rows by one statement, and lists as one value: the same in both databases, for one row as for many."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    MetaData,
    SmallInteger,
    Table,
    delete,
    select,
    update,
)

from entrepot.kernel.db import (
    Database,
    Double,
    Duplicate,
    Id,
    RowSource,
    Text,
    Timestamp,
    WriteRows,
    WriteSession,
    among,
    insert_rows,
    values_among,
)

thing = Table(
    "thing",
    MetaData(),
    Column("id", Id, primary_key=True),
    Column("name", Text, unique=True),
    Column("moment", Timestamp),
    Column("day", Date),
    Column("number", Double),
    Column("small", SmallInteger),
    Column("large", BigInteger),
    Column("yes", Boolean),
)
Row = Mapping[str, object]
COUNTS = (0, 1, 2, 8, 9, 1000)
NUMBERS = (0.1, -0.0, 5e-324, 1.7976931348623157e308, 2 / 3, math.nextafter(1, 2), None)

plain = insert_rows(thing)
passing = insert_rows(thing, conflict=lambda insert: insert.on_conflict_do_nothing())
compact = insert_rows(
    thing,
    only=("id", "name", "moment", "large"),
    conflict=lambda insert: insert.on_conflict_do_nothing(),
    compact=True,
)


def _renamed(_: str, row: RowSource) -> Any:
    return update(thing).where(thing.c.id == row.columns["which"]).values(name=row.columns["new"])


renamed = WriteRows({"which": Id(), "new": Text()}, _renamed, thing.c.id)


@pytest_asyncio.fixture
async def things(database: Database) -> AsyncIterator[Database]:
    async with database.writer.begin() as connection:
        await connection.run_sync(thing.create)
    yield database


def rows(count: int) -> list[Row]:
    return [
        {
            "id": number,
            "name": f"{number} Ω'\"\\ \U0001f52d\u2028{{}} $1 :name ?",
            "moment": None if number % 5 == 0 else datetime(2025, 1, 1, 0, 0, 0, number, tzinfo=UTC),
            "day": None if number % 7 == 0 else date(1, 1, 1 + number % 28),
            "number": NUMBERS[number % len(NUMBERS)],
            "small": -32768 if number % 2 else 32767,
            "large": 2**63 - 1 - number,
            "yes": [True, False, None][number % 3],
        }
        for number in range(1, count + 1)
    ]


async def write(things: Database, statement: WriteRows, items: Sequence[Row]) -> int:
    async def work(session: WriteSession) -> int:
        return await session.write(statement, items, lambda item: item)

    return await things.transact(work)


async def kept(things: Database) -> list[Row]:
    async with things.read() as session:
        found = await session.all(select(*thing.c).order_by(thing.c.id))
    return [dict(zip(thing.c.keys(), row, strict=True)) for row in found]


@pytest.mark.parametrize("count", COUNTS)
async def test_rows_come_back_as_they_went_in(things: Database, count: int) -> None:
    sent = rows(count)
    assert await write(things, plain, sent) == count
    found = await kept(things)
    assert found == sent
    assert [math.copysign(1, row["number"] or 1) for row in found] == [
        math.copysign(1, row["number"] or 1) for row in sent
    ]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("statement", [passing, compact], ids=["rows", "compact"])
async def test_what_is_there_is_passed_over_and_not_counted(
    things: Database, statement: WriteRows, count: int
) -> None:
    sent = rows(count)
    await write(things, plain, sent[::3])
    assert await write(things, statement, sent) == count - len(sent[::3])
    assert await write(things, statement, sent) == 0
    found = await kept(things)
    assert [row["name"] for row in found] == [row["name"] for row in sent]
    assert [row["moment"] for row in found] == [row["moment"] for row in sent]
    assert [row["large"] for row in found] == [row["large"] for row in sent]


@pytest.mark.parametrize("count", COUNTS[1:])
async def test_a_row_that_is_there_refuses_them_all(things: Database, count: int) -> None:
    sent = rows(count)
    await write(things, plain, sent[-1:])
    with pytest.raises(Duplicate):
        await write(things, plain, sent)
    assert len(await kept(things)) == 1


@pytest.mark.parametrize("count", COUNTS)
async def test_changes_count_the_rows_that_they_met(things: Database, count: int) -> None:
    await write(things, plain, rows(count))
    changes: list[Row] = [{"which": number, "new": f"new {number}"} for number in range(2, count + 3)]
    assert await write(things, renamed, changes) == max(0, count - 1)
    names = [row["name"] for row in await kept(things)]
    assert names[1:] == [f"new {number}" for number in range(2, count + 1)]


@pytest.mark.parametrize("count", COUNTS)
async def test_lists_are_one_value_whatever_their_length(things: Database, count: int) -> None:
    sent = rows(1000)
    await write(things, plain, sent)
    dialect = "sqlite" if things.is_sqlite else "postgresql"
    names = [row["name"] for row in sent[:count]]
    by_name = select(thing.c.id).where(among(dialect, thing.c.name, "names")).order_by(thing.c.id)
    by_id = select(thing.c.name).where(among(dialect, thing.c.id, "ids")).order_by(thing.c.id)
    table = values_among(dialect, "names", Text())
    async with things.read() as session:
        found = await session.all(by_name, {"names": [*names, "nobody", *names]})
        assert [row[0] for row in found] == list(range(1, count + 1))
        found = await session.all(by_id, {"ids": [*range(1, count + 1), 2**62]})
        assert [row[0] for row in found] == names
        found = await session.all(select(table.c.value), {"names": names})
        assert sorted(row[0] for row in found) == sorted(map(str, names))


async def test_a_write_is_undone_with_its_transaction(things: Database) -> None:
    class Stop(Exception):
        pass

    async def work(session: WriteSession) -> None:
        await session.execute(delete(thing))
        await session.write(plain, rows(20), lambda item: item)
        raise Stop

    await write(things, plain, rows(3))
    with pytest.raises(Stop):
        await things.transact(work)
    assert len(await kept(things)) == 3
