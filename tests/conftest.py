"""Both modes: every test that asks for ``house`` runs embedded and scaled out."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from entrepot.kernel.db import Database, prepare
from tests.services.house import House, OpenHouse, unique
from tests.services.moto import running_moto
from tests.services.postgres import fresh_database

MODES = ("embedded", "scaled")
S3_ACCOUNT = {
    "ENTREPOT_S3_REGION": "us-east-1",
    "ENTREPOT_S3_ACCESS_KEY_ID": "test",
    "ENTREPOT_S3_SECRET_ACCESS_KEY": "testtest",
}


async def _migrated(url: str) -> None:
    database = Database(url)
    await prepare(database)
    await database.close()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name sets by their sorted members, so that all of xdist's processes call a test the same."""
    return ",".join(sorted(map(str, val))) if isinstance(val, set | frozenset) else None


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The endpoint of an S3 server."""
    yield from running_moto()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty catalogue to copy."""
    file = tmp_path_factory.mktemp("template") / "catalogue.sqlite"
    asyncio.run(_migrated(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """The name of a migrated, empty database to copy."""
    with fresh_database("template") as url:
        asyncio.run(_migrated(url))
        yield make_url(url).database or ""


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """The mode that the house runs in."""
    return request.param


@pytest.fixture
def house(request: pytest.FixtureRequest, mode: str, tmp_path: Path) -> Iterator[House]:
    """A service of the test's own: SQLite and a folder, or PostgreSQL and S3."""
    data = tmp_path / "data"
    data.mkdir()
    common = {
        "ENTREPOT_DATA_DIR": str(data),
        "ENTREPOT_SECRET_KEY": "a key for tests, long enough",
        "ENTREPOT_JOBS_SWEEP": "1",
        "ENTREPOT_DATABASE_POOL": "4",
    }
    if mode == "embedded":
        shutil.copy(request.getfixturevalue("sqlite_template"), data / "catalogue.sqlite")
        yield House(common)
        return
    with _scaled(request) as scaled:
        yield House(common | scaled)


@contextmanager
def _scaled(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    endpoint = request.getfixturevalue("s3_endpoint")
    with fresh_database(request.node.name, template=request.getfixturevalue("postgres_template")) as url:
        bucket = versioned_bucket(endpoint, unique("entrepot"))
        yield {
            "ENTREPOT_DATABASE_URL": url,
            "ENTREPOT_STORE_URL": f"s3://{bucket}",
            "ENTREPOT_S3_ENDPOINT": endpoint,
            **S3_ACCOUNT,
        }


def versioned_bucket(endpoint: str, name: str) -> str:
    """Make a bucket that keeps versions."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="testtest",
    )
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    return name


@pytest_asyncio.fixture
async def opened(house: House) -> AsyncIterator[OpenHouse]:
    """The service, running in this process."""
    async with house.open() as running:
        yield running
