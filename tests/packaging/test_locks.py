"""The lock files: exact releases with hashes, nothing else, and one choice of each release."""

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)(?: ; [^\\:/@]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def _pins(name: str) -> dict[str, str]:
    lines = (PROJECT / "locks" / name).read_text(encoding="utf-8").splitlines()
    return {found[1]: found[2] for line in lines if (found := PIN.fullmatch(line))}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in requirements}


@pytest.fixture(scope="module")
def declared() -> dict[str, set[str]]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    return {"run": _names(project["project"]["dependencies"])} | {
        name: _names(groups[name]) for name in groups
    }


@pytest.mark.parametrize("name", ["run.txt", "dev.txt", "clients.txt"])
def test_a_lock_file_has_pins_and_hashes_only(name: str) -> None:
    lines = (PROJECT / "locks" / name).read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert len(_pins(name)) > 10


@pytest.mark.parametrize(
    ("name", "groups"),
    [("run.txt", ["run", "build"]), ("dev.txt", ["run", "build", "dev"]), ("clients.txt", ["clients"])],
)
def test_a_lock_file_has_what_is_declared(
    name: str, groups: list[str], declared: dict[str, set[str]]
) -> None:
    wanted = set[str]().union(*(declared[group] for group in groups))

    assert wanted - set(_pins(name)) == set()


def test_the_tests_run_on_the_releases_that_the_service_runs_on() -> None:
    tests = _pins("dev.txt")

    assert {name: tests.get(name) for name in _pins("run.txt")} == _pins("run.txt")


def test_the_clients_are_the_released_ones() -> None:
    clients = _pins("clients.txt")

    assert (clients["ocs-ingester"], clients["ocs-archive"]) == ("3.2.0", "0.5.0")
