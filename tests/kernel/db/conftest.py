"""Databases of both kinds: empty ones, and ones with the schema."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from entrepot.kernel.db import Database
from tests.services.postgres import fresh_database

KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'folder' / 'catalogue.sqlite'}"
        return
    with fresh_database(request.node.name) as url:
        yield url


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the schema."""
    with _like_the_template(request, kind, tmp_path) as found:
        yield found


@contextmanager
def _like_the_template(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        file = shutil.copy(request.getfixturevalue("sqlite_template"), folder / "catalogue.sqlite")
        yield f"sqlite:///{file}"
        return
    template = request.getfixturevalue("postgres_template")
    with fresh_database(request.node.name, template=template) as url:
        yield url


@pytest_asyncio.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A database with the schema, open."""
    opened = Database(url, pool=4)
    yield opened
    await opened.close()
