"""The house stays readable: short functions, short files, rooms named for what is in them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "entrepot"
LONG_BODY, LONGEST_BODY = 30, 60
LONG_FILE, LONGEST_FILE = 400, 700
MEDIAN_BODY = 10
NO_ROOMS = {
    "common", "helper", "helpers", "manager", "managers", "misc", "miscellaneous", "shared", "util", "utils",
}  # fmt: skip


@dataclass(frozen=True)
class Body:
    place: str
    lines: int


def _bodies(path: Path) -> Iterator[Body]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        statements = node.body
        if ast.get_docstring(node, clean=False) is not None:
            statements = statements[1:]
        lines = (node.end_lineno or 0) - statements[0].lineno + 1 if statements else 0
        yield Body(f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}", lines)


@pytest.fixture(scope="module")
def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def test_function_bodies_are_short(files: list[Path]) -> None:
    bodies = [body for path in files if "migrations" not in path.parts for body in _bodies(path)]
    long = sorted((body for body in bodies if body.lines > LONG_BODY), key=lambda body: -body.lines)
    print(f"{len(bodies)} functions, median {median(body.lines for body in bodies)} lines;")
    print(f"over {LONG_BODY} lines:", *(f"\n  {body.lines:4} {body.place}" for body in long))

    assert [body for body in long if body.lines > LONGEST_BODY] == []
    assert median(body.lines for body in bodies) <= MEDIAN_BODY


def test_files_are_short(files: list[Path]) -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    long = {str(path.relative_to(SOURCE)): size for path, size in sizes.items() if size > LONG_FILE}
    print(f"{len(files)} files; over {LONG_FILE} lines: {long}")

    assert {path: size for path, size in long.items() if size > LONGEST_FILE} == {}


def test_rooms_are_named_for_what_is_in_them(files: list[Path]) -> None:
    names = {part for path in files for part in path.relative_to(SOURCE).with_suffix("").parts}

    assert {name for name in names if name.strip("_") in NO_ROOMS} == set()


def test_every_file_says_what_it_is_for(files: list[Path]) -> None:
    silent = [
        str(path.relative_to(SOURCE))
        for path in files
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_bytes())) is None
    ]

    assert silent == []
