"""Databases of their own for tests, on the PostgreSQL server that ENTREPOT_TEST_POSTGRES_URL names."""

import asyncio
import os
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg
from sqlalchemy.engine import make_url

from tests.services.missing import missing

DEFAULT_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
LIMIT = 5.0


@contextmanager
def fresh_database(name: str, *, template: str = "template0") -> Iterator[str]:
    """Create a database like ``template`` with a name like ``name``, give its URL, drop it afterwards.

    Without a server the test is skipped, or fails where ENTREPOT_TEST_REQUIRE is ``all``.
    """
    server = os.environ.get("ENTREPOT_TEST_POSTGRES_URL") or DEFAULT_URL
    unique = f"entrepot_test_{re.sub('[^a-z0-9]+', '_', name.lower())[:30]}_{secrets.token_hex(4)}"
    try:
        _run(server, f'CREATE DATABASE "{unique}" TEMPLATE "{template}"')
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        missing(f"PostgreSQL at {make_url(server).render_as_string()} doesn't answer: {error!r}")
    try:
        yield make_url(server).set(database=unique).render_as_string(hide_password=False)
    finally:
        _run(server, f'DROP DATABASE IF EXISTS "{unique}" WITH (FORCE)')


def _run(server: str, statement: str) -> None:
    """Run a statement, also when called from inside an event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_execute(server, statement))).result()


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server, timeout=LIMIT)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close(timeout=LIMIT)
