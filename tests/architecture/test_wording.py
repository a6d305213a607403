"""The project's files name no package registry and no place that only one machine has."""

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
VENDORED = "src/entrepot/web/static/vendor/"

# Each pattern is written so that it doesn't find itself.
REGISTRY = re.compile(
    r"p[y]pi\.(?:org|python\.org)|pythonhosted\.o[r]g|npmj[s]\.(?:com|org)|deb\.debia[n]\.org|crates\.i[o]\b"
    r"|proxy\.golan[g]\.org|rubygem[s]\.org|--(?:extra-)?inde[x]-url|--find-link[s]"
)
MACHINE = re.compile(r"(?<![\w.$}/])/(?:home|Users|root|work|mnt|opt|tmp/w)/[A-Za-z0-9_.-]")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith(VENDORED)]
    assert "pyproject.toml" in names
    return {
        name: (PROJECT / name).read_text(encoding="utf-8", errors="replace")
        for name in names
        if (PROJECT / name).is_file()
    }


def _found(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry(texts: dict[str, str]) -> None:
    # The Makefile keeps the resolver from writing such lines, so it has to name the options.
    allowed = {name: text for name, text in texts.items() if name != "Makefile"}

    assert _found(REGISTRY, allowed) == []


def test_no_file_names_a_place_on_one_machine(texts: dict[str, str]) -> None:
    assert _found(MACHINE, texts) == []


def test_no_file_is_larger_than_a_mebibyte(texts: dict[str, str]) -> None:
    large = {name: (PROJECT / name).stat().st_size for name in texts}

    assert {name: size for name, size in large.items() if size > 2**20} == {}
