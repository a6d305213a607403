"""Reads that can't write, and units of work that are done whole, once, or not at all."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import Column, Integer, MetaData, Table, column, insert, literal, select, text, update

from entrepot.kernel.db import Database, Duplicate, Prepared, Text, WriteSession
from entrepot.kernel.db import database as room
from entrepot.kernel.errors import Conflict, InvalidInput, SettingsError, Unavailable

account = Table(
    "account",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("amount", Integer, nullable=False),
)


@pytest_asyncio.fixture
async def bank(database: Database) -> AsyncIterator[Database]:
    async with database.writer.begin() as connection:
        await connection.run_sync(account.create)
        await connection.execute(insert(account), [{"name": "a", "amount": 0}, {"name": "b", "amount": 0}])
    yield database


async def amounts(database: Database) -> dict[str, int]:
    async with database.read() as session:
        rows = await session.all(select(account.c.name, account.c.amount))
    return dict(rows)


def adding(name: str, amount: int = 1):
    return update(account).where(account.c.name == name).values(amount=account.c.amount + amount)


async def test_a_reader_cannot_write(bank: Database) -> None:
    async with bank.read() as session:
        assert session.dialect == ("sqlite" if bank.is_sqlite else "postgresql")
        for statement in (
            "UPDATE account SET amount = 1",
            "DELETE FROM account",
            "CREATE TABLE x (y INTEGER)",
        ):
            with pytest.raises(Exception, match=r"read-?only|can't be used"):
                await session.all(text(statement))
        assert await session.scalar(select(literal(1))) == 1
    assert await amounts(bank) == {"a": 0, "b": 0}


async def test_readers_see_what_is_committed_and_nothing_else(bank: Database) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(adding("a"))
        assert await amounts(bank) == {"a": 0, "b": 0}
        assert await session.scalar(select(account.c.amount).where(account.c.name == "a")) == 1

    await bank.transact(work)
    assert await amounts(bank) == {"a": 1, "b": 0}


@pytest.mark.parametrize("error", [InvalidInput("no"), RuntimeError("no"), KeyboardInterrupt()], ids=repr)
async def test_a_failure_leaves_nothing_behind(bank: Database, error: BaseException) -> None:
    left: list[str] = []

    async def work(session: WriteSession) -> None:
        await session.execute(adding("a"))
        session.after_commit.append(lambda: left.append("job"))
        raise error

    with pytest.raises(type(error)):
        await bank.transact(work)
    assert await amounts(bank) == {"a": 0, "b": 0}
    assert left == []
    await bank.transact(lambda session: session.execute(adding("b")))
    assert await amounts(bank) == {"a": 0, "b": 1}


async def test_a_cancelled_unit_of_work_leaves_nothing_and_frees_its_connection(bank: Database) -> None:
    started = asyncio.Event()

    async def work(session: WriteSession) -> None:
        await session.execute(adding("a"))
        started.set()
        await asyncio.sleep(60)

    for _ in range(5):  # more often than there are connections
        started.clear()
        task = asyncio.create_task(bank.transact(work))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await bank.transact(lambda session: session.execute(adding("b")))
    assert await amounts(bank) == {"a": 0, "b": 1}


async def test_a_collision_is_tried_again_from_the_start(bank: Database) -> None:
    tries: list[int] = []
    left: list[int] = []

    async def work(session: WriteSession) -> str:
        await session.execute(adding("a"))
        tries.append(len(tries))
        session.after_commit.append(lambda: left.append(len(tries)))
        if len(tries) < 4:
            raise session.collided()
        return "done"

    assert await bank.transact(work) == "done"
    assert await amounts(bank) == {"a": 1, "b": 0}
    assert (len(tries), left) == (4, [4])


async def test_a_collision_without_end_is_a_conflict(bank: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ATTEMPTS", 3)
    tries: list[int] = []

    async def work(session: WriteSession) -> None:
        tries.append(1)
        await session.execute(adding("a"))
        raise session.collided()

    with pytest.raises(
        Conflict, match=r"^Others keep changing the same thing; please send the request again\.$"
    ):
        await bank.transact(work)
    assert len(tries) == 3
    assert await amounts(bank) == {"a": 0, "b": 0}


async def test_a_duplicate_says_so(bank: Database) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(adding("b"))
        await session.execute(insert(account).values(name="a", amount=1))

    with pytest.raises(Duplicate):
        await bank.transact(work)
    assert await amounts(bank) == {"a": 0, "b": 0}


async def test_units_of_work_at_once_lose_no_update(bank: Database) -> None:
    async def work(session: WriteSession) -> None:
        found = await session.scalar(select(account.c.amount).where(account.c.name == "a").with_for_update())
        assert found is not None
        await asyncio.sleep(0)
        await session.execute(update(account).where(account.c.name == "a").values(amount=found + 1))

    await asyncio.gather(*(bank.transact(work) for _ in range(25)))
    assert (await amounts(bank))["a"] == 25


async def test_a_deadlock_is_tried_again(bank: Database) -> None:
    barrier = asyncio.Event()

    def work(first: str, second: str):
        async def transfer(session: WriteSession) -> None:
            await session.execute(adding(first))
            if not bank.is_sqlite:  # SQLite has one writer, so that there is nobody to wait for
                waiting.append(first)
                if len(waiting) >= 2:
                    barrier.set()
                await barrier.wait()
            await session.execute(adding(second))

        return transfer

    waiting: list[str] = []
    await asyncio.gather(bank.transact(work("a", "b")), bank.transact(work("b", "a")))
    assert await amounts(bank) == {"a": 2, "b": 2}


ENDLESS = text(
    "WITH RECURSIVE endless(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM endless) SELECT count(*) FROM endless"
).columns(column("count", Integer()))


async def test_a_value_that_takes_too_long_is_given_up(bank: Database) -> None:
    for _ in range(6):  # more often than there are connections
        async with bank.read() as session:
            began = asyncio.get_running_loop().time()
            assert await session.value_within(Prepared(lambda _: ENDLESS), {}, 0.1) is None
            assert asyncio.get_running_loop().time() - began < 5
    async with bank.read() as session:
        assert await session.value_within(Prepared(lambda _: select(literal(7))), {}, 5) == 7
        assert await session.scalar(select(literal(8))) == 8
    assert await amounts(bank) == {"a": 0, "b": 0}


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_statement_that_takes_too_long_is_stopped_by_postgresql(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "STATEMENT_LIMIT", 0.2)
    database = Database(url)
    async with database.read() as session:
        with pytest.raises(Unavailable, match="needed too long"):
            await session.scalar(text("SELECT pg_sleep(20)"))
        assert await session.scalar(select(literal(1))) == 1

    async def work(session: WriteSession) -> None:
        await session.execute(text("SELECT pg_sleep(20)"))

    with pytest.raises(Unavailable, match="needed too long"):
        await database.transact(work)
    await database.close()


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_lost_connections_are_replaced(url: str) -> None:
    database, other = Database(url, pool=3), Database(url, pool=1)
    await asyncio.gather(*(database.ready() for _ in range(3)))
    await database.transact(lambda session: session.scalar(select(literal(1))))
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.transact(lambda session: session.all(text(kill)))
    failed = 0
    for _ in range(8):
        try:
            await database.ready()
            await database.transact(lambda session: session.scalar(select(literal(1))))
        except Unavailable:
            failed += 1
    assert failed <= 4
    await database.ready()
    await database.close()
    await other.close()


async def test_who_cannot_be_reached_is_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nothing")

    async def work(session: WriteSession) -> None:
        raise AssertionError

    for act in (database.ready(), database.transact(work)):
        with pytest.raises(Unavailable, match=r"^The database doesn't answer"):
            await act
    await database.close()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://host/name", "oracle+x://host", "://", "postgresql", "sqlite", "http://a/b"],
)
def test_a_bad_url_is_told_with_its_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="ENTREPOT_DATABASE_URL") as refused:
        Database(url)
    assert refused.value.where == "ENTREPOT_DATABASE_URL"


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://u:p@h/n", "postgresql+asyncpg"), ("postgresql+psycopg2://h/n", "postgresql+asyncpg"),
        ("postgresql://h/n", "postgresql+asyncpg"), ("sqlite:///x", "sqlite+aiosqlite"),
    ],
)  # fmt: skip
async def test_any_spelling_of_the_driver_will_do(url: str, driver: str) -> None:
    database = Database(url)
    assert database.url.drivername == driver
    await database.close()
