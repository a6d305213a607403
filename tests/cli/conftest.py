"""The command line as people have it, each test with a data folder or a database of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.postgres import fresh_database

KEPT = {name: value for name, value in os.environ.items() if not name.startswith(("ENTREPOT_", "PYTHON"))}


@dataclass
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        """Insist on success and give the JSON that was printed."""
        assert self.code == 0, self.err
        return json.loads(self.out)


class Forks:
    """A process that runs commands in forks of itself."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forks.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: tuple[str, ...], environ: dict[str, str], folder: Path, stdin: bytes) -> Done:
        """Run one command."""
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory() as scratch:
            streams = [Path(scratch, name) for name in ("in", "out", "err")]
            streams[0].write_bytes(stdin)
            order = {
                "arguments": arguments,
                "environ": environ,
                "folder": str(folder),
                "streams": [str(path) for path in streams],
            }
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return Done(code, streams[1].read_text(), streams[2].read_text())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class Cli:
    """``entrepot`` with settings of a test's own."""

    def __init__(self, forks: Forks, folder: Path, environ: dict[str, str]) -> None:
        self._forks = forks
        self.folder = folder
        self.environ = KEPT | environ

    def __call__(self, *arguments: str, stdin: bytes | str = b"", **more: str) -> Done:
        """Run ``entrepot ARGUMENTS``."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        return self._forks.run(arguments, self.environ | more, self.folder, given)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture
def cli(forks: Forks, tmp_path: Path) -> Cli:
    """The command line on an empty folder."""
    return Cli(forks, tmp_path, {"ENTREPOT_DATA_DIR": str(tmp_path / "data")})


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, forks: Forks, tmp_path: Path) -> Iterator[Cli]:
    """The command line on an empty folder, and on an empty PostgreSQL database."""
    environ = {"ENTREPOT_DATA_DIR": str(tmp_path / "data")}
    if request.param == "sqlite":
        yield Cli(forks, tmp_path, environ)
        return
    with fresh_database(request.node.name) as url:
        yield Cli(forks, tmp_path, environ | {"ENTREPOT_DATABASE_URL": url})
