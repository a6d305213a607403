"""Every kind of store, fresh for each test."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from entrepot.kernel.objects import ObjectStore, open_store
from tests.kernel.objects.buckets import Server


@pytest.fixture(scope="session")
def s3_server(s3_endpoint: str) -> Iterator[Server]:
    server = Server(s3_endpoint)
    yield server
    server.client.close()


@pytest.fixture
def bucket(s3_server: Server) -> str:
    """The name of a versioned bucket."""
    name = f"bucket-{secrets.token_hex(6)}"
    s3_server.create(name, versioned=True)
    return name


@pytest.fixture
async def s3_store(s3_server: Server, bucket: str) -> AsyncIterator[ObjectStore]:
    opened = open_store(f"s3://{bucket}/some prefix", s3=s3_server.options)
    yield opened
    await opened.close()


@pytest.fixture
async def folder_store(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    opened = open_store((tmp_path / "files").as_uri())
    yield opened
    await opened.close()


@pytest.fixture
async def memory_store() -> AsyncIterator[ObjectStore]:
    opened = open_store("memory://")
    yield opened
    await opened.close()


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return request.getfixturevalue(f"{request.param}_store")
