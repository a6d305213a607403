"""200 broken and hostile files: each is filed, or refused in one sentence and nothing left of it."""

import asyncio
import hashlib
import json
import os
import re
import time
from pathlib import Path

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.lib.fits import FitsError
from entrepot.modules.archive.service.readers import Readers
from entrepot.modules.archive.service.records import rules_of, split_name
from entrepot.modules.archive.settings import ArchiveSettings
from tests.modules.archive.ingest_cli.holdings import downloads_of, objects_of, outcomes, versions_of
from tests.modules.archive.ingest_cli.mutations import (
    COUNT,
    Mutation,
    assert_can_be_posted,
    assert_is_one_sentence,
    mutations,
)
from tests.services.house import House

RULES = rules_of(ArchiveSettings(), {})
MEMORY_KB = 400_000
"""Most memory of a reader; the library for world coordinates takes half of it."""
SECONDS = 20.0


@pytest.fixture(scope="module")
def made() -> list[Mutation]:
    return mutations()


def _children() -> set[str]:
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {pid for path in listed for pid in path.read_text().split()}


def _most_memory_kb(children: set[str]) -> int:
    """Give the most memory that one of some processes has had."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in children]
    return max(int(match[1]) for text in texts if (match := re.search(r"VmHWM:\s+(\d+) kB", text)))


async def _read(readers: Readers, mutation: Mutation, path: Path) -> str:
    """Give why a file is refused, by its reader or for a field of its record; nothing if it isn't."""
    try:
        _, extension = split_name(path.name, RULES)
        record = await readers.read(path)
    except (FitsError, InvalidInput) as error:
        return str(error)
    try:
        assert_can_be_posted(record, extension)
    except InvalidInput as error:
        return f"{json.dumps(error.fields)}."
    return ""


async def test_reading_is_bounded_and_says_why(made: list[Mutation], tmp_path: Path) -> None:
    reasons: dict[str, str] = {}
    before = _children()
    async with Readers(2, RULES, seconds=SECONDS) as readers:
        for mutation in made:
            path = mutation.write(tmp_path)
            started = time.monotonic()
            reasons[mutation.name] = reason = await _read(readers, mutation, path)
            assert time.monotonic() - started < SECONDS, mutation.what
            if reason:
                assert_is_one_sentence(reason)
            assert not (reason and mutation.sound), f"{mutation.what}: {reason}"
        assert _most_memory_kb(_children() - before) < MEMORY_KB
    assert not [reason for reason in reasons.values() if "took longer" in reason or "died" in reason]
    refused = sum(map(bool, reasons.values()))
    assert 110 < refused < 160, "they no longer test what they are to test"


async def test_what_is_refused_leaves_nothing_behind(
    house: House, made: list[Mutation], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    paths = [mutation.write(folder) for mutation in made]
    done = await asyncio.to_thread(house.command, "ingest", *map(str, paths), "--json")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    told = outcomes(done.stdout)
    assert len(told) == COUNT
    for mutation in made:
        one = told[mutation.name]
        if one["outcome"] == "refused":
            assert_is_one_sentence(one["reason"])
        assert one["outcome"] != "refused" or not mutation.sound, one
    filed = [one for one in told.values() if one["outcome"].startswith("new")]
    sums = {hashlib.md5(mutation.content).hexdigest(): mutation.content for mutation in made}

    async with house.open() as opened:
        versions = await versions_of(opened)
        assert sorted(version["md5"] for version in versions) == sorted(one["md5"] for one in filed)
        assert len(objects_of(house)) == len(versions)
        for name, content in (await downloads_of(opened)).items():
            assert content == sums[name.rpartition(" ")[2]], name
