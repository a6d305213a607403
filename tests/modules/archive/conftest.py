"""One archive for all tests of a file, in each mode; they keep apart by the names of their frames."""

import re
import shutil
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import MODES, _scaled
from tests.modules.archive.door import Door
from tests.services.house import House


@pytest.fixture(scope="module", params=MODES)
def shared_house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service that the tests of a file share."""
    data: Path = tmp_path_factory.mktemp("data")
    common = {
        "ENTREPOT_DATA_DIR": str(data),
        "ENTREPOT_SECRET_KEY": "a key for tests, long enough",
        "ENTREPOT_JOBS_SWEEP": "3600",
        "ENTREPOT_DATABASE_POOL": "8",
    }
    if request.param == "embedded":
        shutil.copy(request.getfixturevalue("sqlite_template"), data / "catalogue.sqlite")
        yield House(common)
        return
    with _scaled(request) as scaled:
        yield House(common | scaled)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(shared_house: House) -> AsyncIterator[Door]:
    """The archive's door, open as long as the tests of a file run."""
    async with shared_house.open() as running:
        await running.staff()
        yield Door(running)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A basename that no other test of the file has."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:80].strip("-")
    return f"{words}-{zlib.crc32(request.node.name.encode()):08x}"
