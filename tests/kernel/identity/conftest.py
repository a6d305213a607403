"""A catalogue with this kernel's tables, in both databases."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from entrepot.kernel.db import Database, metadata
from entrepot.kernel.identity import Caller, Credentials, authenticate
from entrepot.kernel.identity.tables import membership, token, user
from tests.services.postgres import fresh_database

TABLES = [user, token, membership]


async def _create(url: str) -> None:
    database = Database(url)
    async with database.writer.begin() as connection:
        await connection.run_sync(metadata.create_all, tables=TABLES)
    await database.close()


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with fresh_database("identity") as url:
        asyncio.run(_create(url))
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    url = f"sqlite:///{tmp_path / 'catalogue.sqlite'}"
    asyncio.run(_create(url))
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    async with database.writer.begin() as connection:
        for table in reversed(TABLES):
            await connection.execute(table.delete())
    yield database
    await database.close()


@pytest.fixture
def come(database: Database):
    """Tell who comes with a secret."""

    async def come(secret: str) -> Caller:
        async with database.read() as session:
            return await authenticate(session, Credentials(secret, "token"))

    return come
