"""When tokens were last used: to the hour, written in the background."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import event

from entrepot.kernel.db import Database
from entrepot.kernel.errors import Unavailable
from entrepot.kernel.identity import LastUse, Role, Scope, add_token, add_user, list_tokens


@pytest.fixture
async def token_id(database: Database) -> int:
    await add_user(database, "ada", Role.USER)
    return (await add_token(database, "ada", name="laptop", scope=Scope.READ)).token.id


async def last_used(database: Database) -> datetime | None:
    return (await list_tokens(database))[0].last_used


async def test_a_use_is_written_to_the_hour(database: Database, token_id: int) -> None:
    uses = LastUse()
    uses.note(token_id)
    assert await last_used(database) is None
    before = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await uses.flush(database)
    written = await last_used(database)
    assert written is not None
    assert before <= written <= datetime.now(UTC)
    assert (written.minute, written.second, written.microsecond) == (0, 0, 0)


async def test_further_uses_in_the_hour_write_nothing(database: Database, token_id: int) -> None:
    uses = LastUse()
    uses.note(token_id)
    await uses.flush(database)
    statements: list[str] = []
    event.listen(
        database.writer.sync_engine, "before_cursor_execute", lambda *said: statements.append(said[2])
    )
    uses.note(token_id)
    uses.note(None)
    await uses.flush(database)
    assert statements == []


async def test_a_use_is_kept_until_the_database_takes_it(database: Database, token_id: int) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/none")
    uses = LastUse()
    uses.note(token_id)
    with pytest.raises(Unavailable):
        await uses.flush(gone)
    await gone.close()
    await uses.flush(database)
    assert await last_used(database) is not None


async def test_a_token_that_is_gone_is_no_trouble(database: Database, token_id: int) -> None:
    uses = LastUse()
    uses.note(token_id)
    uses.note(10**9)
    await uses.flush(database)
    assert await last_used(database) is not None


async def test_uses_are_written_by_and_by_and_at_the_end(database: Database, token_id: int) -> None:
    uses = LastUse()
    async with uses.flushing(database, seconds=0.01):
        uses.note(token_id)
        async with asyncio.timeout(10):
            while await last_used(database) is None:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    other = (await add_token(database, "ada", name="phone", scope=Scope.READ)).token.id
    async with uses.flushing(database, seconds=600):
        uses.note(other)
    assert all(token.last_used is not None for token in await list_tokens(database))
