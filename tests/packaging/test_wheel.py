"""The wheel has all that the service needs, and works in an environment where nothing else is."""

import os
import socket
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _run(*command: str | Path, folder: Path, given: str | None = None) -> str:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("ENTREPOT_", "PYTHON"))
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environ, "HOME": str(folder)},
        input=given,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with what the lock file names, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", folder / "venv", folder=folder)
    programs = folder / "venv" / "bin"
    locked = ("--require-hashes", "-r", PROJECT / "locks" / "run.txt")
    _run(programs / "python", *PIP, "install", *locked, folder=folder)
    return programs


@pytest.fixture(scope="module")
def wheel(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, PROJECT)
    _run(environment / "python", *PIP, *build, folder=folder)
    (made,) = folder.glob("entrepot-*.whl")
    return made


@pytest.fixture(scope="module")
def programs(environment: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the environment once the wheel is in it."""
    _run(
        environment / "python", *PIP, "install", "--no-deps", wheel, folder=tmp_path_factory.mktemp("install")
    )
    return environment


@pytest.fixture(scope="module")
def served(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [programs / "entrepot", "serve", "--port", str(port)],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert "answers" in server.stdout.readline()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        server.stdout.close()


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("entrepot/")}
    listed = _run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", "src/entrepot", folder=PROJECT
    )
    wanted = {line.removeprefix("src/") for line in listed.splitlines() if (PROJECT / line).is_file()}

    assert wanted - packed == set()
    assert {"entrepot/py.typed", "entrepot/migrations/script.py.mako"} <= packed
    assert [name for name in packed if name.endswith(".pyc")] == []


def test_what_it_needs_is_what_the_lock_file_installs(programs: Path, tmp_path: Path) -> None:
    assert "No broken requirements" in _run(programs / "python", "-m", "pip", "check", folder=tmp_path)


def test_its_commands_work(programs: Path, tmp_path: Path) -> None:
    entrepot = programs / "entrepot"

    assert _run(entrepot, "version", folder=tmp_path).startswith("entrepot ")
    _run(entrepot, "user", "add", "operator", "--role", "staff", folder=tmp_path, given="a long password\n")
    assert len(_run(entrepot, "token", "add", "operator", folder=tmp_path).strip()) == 40


@pytest.mark.parametrize(
    ("path", "accept", "part"),
    [
        ("/ready", "application/json", b'"ok"'),
        ("/docs", "text/html", b"swagger-ui"),
        ("/openapi.json", "application/json", b"/archive/frames/"),
        ("/static/docs.js", "*/*", b"SwaggerUI"),
        ("/archive/frames/", "text/html", b"<!doctype html>"),
    ],
)
def test_it_serves_pages_and_static_files(served: str, path: str, accept: str, part: bytes) -> None:
    request = urllib.request.Request(served + path, headers={"Accept": accept})

    with urllib.request.urlopen(request, timeout=20) as answer:
        assert part in answer.read()
