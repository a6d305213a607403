"""What the documentation says is there, and what is there it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from entrepot.cli import command_line
from tests.architecture.settings_page import PAGE, settings_page

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _commands(command: Any, name: str) -> Iterator[str]:
    """Give the full names of a command's commands; a group is what has commands itself."""
    if not hasattr(command, "commands"):
        yield name
        return
    for child, below in command.commands.items():
        yield from _commands(below, f"{name} {child}")


def test_the_page_of_settings_is_that_of_this_version() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "run `make docs`"


def test_every_command_is_described() -> None:
    text = (PROJECT / "docs" / "operate" / "cli.md").read_text(encoding="utf-8")
    commands = list(_commands(typer.main.get_command(command_line()), "entrepot"))

    assert len(commands) > 10
    assert [name for name in commands if name not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    local = [found[1] for found in LINK.finditer(text) if "://" not in found[1]]

    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_can_be_found_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [PROJECT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        targets = LINK.finditer(page.read_text(encoding="utf-8"))
        waiting += [page.parent / found[1] for found in targets if "://" not in found[1]]

    assert [page for page in PAGES if page.resolve() not in seen] == []
