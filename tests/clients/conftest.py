"""The released clients, unmodified, in an environment of their own."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.house import House, Server
from tests.services.missing import missing

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "ingest_with_metadata.py"


@dataclass(frozen=True)
class Ingester:
    """``ocs-ingester``, set up for one house: it shares the file store with the server."""

    python: Path
    environ: dict[str, str]

    def ingest(self, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the client's own command on a file."""
        return self._run([str(self.python.with_name("ocs_ingest_frame")), *options, str(path)])

    def ingest_with_metadata(
        self, path: Path, metadata: str, thumbnail: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Call the client's library on a file that has no headers of its own; it prints what it gives."""
        return self._run([str(self.python), str(PROGRAM), str(path), metadata, thumbnail])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="session")
def client_python() -> Path:
    """The Python of the clients' environment."""
    folder = Path(os.environ.get("ENTREPOT_TEST_CLIENTS") or ROOT / ".venv-clients")
    python = folder / "bin" / "python"
    if not python.exists():
        missing(f"the released clients aren't installed in {folder.name}: run `make slow`, which does it")
    return python


@pytest.fixture
def server(house: House) -> Iterator[Server]:
    """A server of the house."""
    with house.serve() as running:
        yield running


@pytest.fixture
def operator(house: House, server: Server) -> str:
    """The token of somebody who may file frames."""
    return house.token("operator", role="staff")


@pytest.fixture
def ingester(house: House, server: Server, operator: str, client_python: Path) -> Ingester:
    """The client, with the same store as the server."""
    return Ingester(client_python, _client_environ(house, server, operator))


def _client_environ(house: House, server: Server, token: str) -> dict[str, str]:
    common = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(house.data_dir),
        "API_ROOT": f"{server.url}/archive/",
        "AUTH_TOKEN": token,
        "OPENTSDB_PYTHON_METRICS_TEST_MODE": "True",
    }
    store = house.environ.get("ENTREPOT_STORE_URL", "")
    if not store.startswith("s3://"):
        return common | {
            "FILESTORE_TYPE": "local",
            "FILESYSTEM_STORAGE_ROOT_DIR": str(house.data_dir / "files"),
        }
    return common | {
        "FILESTORE_TYPE": "s3",
        "BUCKET": store.removeprefix("s3://"),
        "S3_ENDPOINT_URL": house.environ["ENTREPOT_S3_ENDPOINT"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "testtest",
    }
