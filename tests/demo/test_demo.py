"""``make demo`` as a person runs it: filled once, served, its commands tried; again, and after a kill."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.missing import missing

pytestmark = pytest.mark.slow

LIMIT = 60.0
PROJECT = Path(__file__).parents[2]
CLIENTS = Path(os.environ.get("ENTREPOT_TEST_CLIENTS") or PROJECT / ".venv-clients")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(folder: Path, port: int) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    # A demo that listened to these would file its frames into somebody's catalogue.
    others = {
        "ENTREPOT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "ENTREPOT_DATA_DIR": "elsewhere",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "entrepot.demo"],
        cwd=folder,
        env={**kept, **others, "ENTREPOT_PORT": str(port), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def _running(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the demo until it answers; give what it printed and the archive's base."""
    port = _free_port()
    demo = _start(folder, port)
    assert demo.stdout is not None
    printed: list[str] = []
    try:
        for line in demo.stdout:
            printed.append(line)
            if line.startswith("Entrepôt answers at"):
                break
        else:
            pytest.fail("".join(printed))
        yield "".join(printed), f"http://127.0.0.1:{port}/archive"
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(timeout=30)
        demo.stdout.close()
    assert demo.returncode == 0


def _count(base: str, token: str | None = None) -> int:
    request = urllib.request.Request(f"{base}/frames/?limit=1")
    if token:
        request.add_header("Authorization", f"Token {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["count"]


def _tokens(folder: Path) -> dict[str, str]:
    people = json.loads((folder / "demo-data" / "tokens.json").read_text())
    return {name: access["token"] for name, access in people.items()}


def _unwrapped(text: str) -> str:
    return re.sub(r"\\\n +", "", text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Iterator[tuple[str, str]]:
    began = time.monotonic()
    with _running(folder) as (printed, base):
        assert time.monotonic() - began < LIMIT
        yield printed, base


def test_it_serves_200_frames_to_those_who_may_see_them(folder: Path, first_run: tuple[str, str]) -> None:
    _, base = first_run
    tokens = _tokens(folder)

    counts = {name: _count(base, tokens[name]) for name in ("operator", "ada", "guest")}

    assert counts == {"operator": 200, "ada": 180, "guest": 140}
    assert _count(base) == 140


def test_its_tokens_are_kept_from_others(folder: Path, first_run: tuple[str, str]) -> None:
    mode = (folder / "demo-data" / "tokens.json").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600
    assert not (folder / "elsewhere").exists()


def test_what_it_says_to_try_works(folder: Path, first_run: tuple[str, str]) -> None:
    printed, _ = first_run
    commands = re.sub(r"\\\n +", "", printed.partition("in this folder:")[2].partition("Entrepôt answers")[0])
    lines = [
        line.strip() for line in commands.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    wanted = [line for line in lines if line != "make clients" and "venv-clients" not in line]
    script = "\n".join(line.replace("curl ", "curl --fail -sS ") for line in wanted)

    done = subprocess.run(
        ["bash", "-eux", "-o", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert len(wanted) > 15
    assert done.returncode == 0, done.stdout + done.stderr
    assert ".fits: OK" in done.stdout
    assert "HTTP/1.1 304" in done.stdout
    assert "1 filed" in done.stdout


def test_the_released_client_files_the_other_frame(folder: Path, first_run: tuple[str, str]) -> None:
    if not (CLIENTS / "bin" / "ocs_ingest_frame").exists():
        missing(f"the released clients aren't installed in {CLIENTS.name}: run `make clients`")
    printed, base = first_run
    exports = "\n".join(re.findall(r"^ +(export .*)$", printed, re.MULTILINE))
    command = next(line for line in _unwrapped(printed).splitlines() if "ocs_ingest_frame" in line)
    command = command.replace(".venv-clients", str(CLIENTS))

    done = subprocess.run(
        ["bash", "-eu", "-c", f"{exports}\n{command}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{base}/files/" in done.stdout


def test_a_port_in_use_is_one_sentence(folder: Path, first_run: tuple[str, str]) -> None:
    port = int(first_run[1].rpartition(":")[2].partition("/")[0])

    demo = _start(folder, port)
    output, _ = demo.communicate(timeout=LIMIT)

    assert demo.returncode == 1
    assert output == f"Port {port} of 127.0.0.1 is in use; choose another: ENTREPOT_PORT=8001 make demo.\n"


def test_a_run_that_was_killed_is_made_good_and_a_further_one_changes_nothing(tmp_path: Path) -> None:
    demo = _start(tmp_path, _free_port())
    catalogue = tmp_path / "demo-data" / "files"
    deadline = time.monotonic() + LIMIT
    while not any(catalogue.rglob("*.fits")):
        assert demo.poll() is None, demo.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    demo.kill()
    demo.communicate(timeout=LIMIT)
    tokens = _tokens(tmp_path)

    with _running(tmp_path) as (_, base):
        assert _count(base, tokens["operator"]) == 200
    began = time.monotonic()
    with _running(tmp_path) as (printed, base):
        assert time.monotonic() - began < LIMIT / 2
        assert "200 already there" in printed
        assert _count(base, tokens["operator"]) == 200
    assert _tokens(tmp_path) == tokens
