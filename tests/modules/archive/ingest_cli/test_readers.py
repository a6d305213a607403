"""Child processes that read files: what hangs or kills one is refused, and the next file is read."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.modules.archive.service.readers import Readers
from entrepot.modules.archive.service.records import Rules
from tests.modules.archive.ingest_cli.holdings import frame_bytes


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.fits"
    path.write_bytes(frame_bytes(1))
    return path


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A file that keeps its reader waiting."""
    path = tmp_path / "pipe.fits"
    os.mkfifo(path)
    return path


def _children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for path in listed for pid in path.read_text().split()}


async def _gone(before: set[int]) -> None:
    """Wait until no child is left but those of before; the system may take a moment to bury one."""
    for _ in range(400):
        if _children() <= before:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"still there: {_children() - before}")


async def _reader_of(path: Path, besides: set[int]) -> int:
    """Wait for a child that has the file open."""
    for _ in range(6000):
        for child in _children() - besides:
            with contextlib.suppress(OSError):
                if any(link.resolve() == path for link in Path(f"/proc/{child}/fd").iterdir()):
                    return child
        await asyncio.sleep(0.005)
    raise AssertionError("nobody reads it")


async def _started(besides: set[int]) -> None:
    for _ in range(6000):
        if _children() - besides:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("no reader was started")


async def test_records_come_back_from_several_readers(good: Path) -> None:
    async with Readers(2, Rules(given={"OBJECT": "given"})) as readers:
        records = await asyncio.gather(*(readers.read(good) for _ in range(6)))
    assert {record["basename"] for record in records} == {"good"}
    assert {record["target_name"] for record in records} == {"given"}
    assert records[0]["area"] is not None


async def test_what_takes_too_long_is_refused_and_the_next_is_read(good: Path, pipe: Path) -> None:
    async with Readers(1, Rules(), seconds=1.0) as readers:
        with pytest.raises(InvalidInput, match="took longer than 1 s"):
            await readers.read(pipe)
        # the first footprint of a process loads a large library, which may take longer than that
        with pytest.raises(InvalidInput, match="OBSTYPE"):
            await readers.read(_without_type(good))


def _without_type(good: Path) -> Path:
    path = good.with_name("untyped.fits")
    path.write_bytes(frame_bytes(1, without=("OBSTYPE",)))
    return path


async def test_what_kills_its_reader_twice_is_refused_and_the_next_is_read(
    good: Path, tmp_path: Path
) -> None:
    long = tmp_path / "long.fits"  # 15 MB of header, which take a while
    frame = frame_bytes(1)
    long.write_bytes(frame[: 80 * 5] + b"COMMENT".ljust(80) * 36 * 5200 + frame[80 * 5 :])
    before, dead = _children(), set[int]()
    async with Readers(1, Rules()) as readers:
        reading = asyncio.create_task(readers.read(long))
        for _ in range(2):
            dead.add(child := await _reader_of(long, before | dead))
            os.kill(child, signal.SIGSEGV)
        with pytest.raises(InvalidInput, match=r"died of it \(SIGSEGV\)"):
            await reading
        assert (await readers.read(good))["basename"] == "good"
        assert (await readers.read(long))["basename"] == "long"
    assert _children() <= before


async def test_a_file_isnt_refused_for_one_death(good: Path) -> None:
    before = _children()
    async with Readers(1, Rules()) as readers:
        await readers.read(good)
        [child] = _children() - before
        os.kill(child, signal.SIGKILL)
        assert (await readers.read(good))["basename"] == "good"


async def test_a_reader_that_is_given_up_is_gone(pipe: Path) -> None:
    before = _children()
    async with Readers(1, Rules()) as readers:
        reading = asyncio.create_task(readers.read(pipe))
        await _started(before)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await _gone(before)


async def test_headers_without_end_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless.fits"
    with path.open("wb") as file:
        file.write(b"SIMPLE  =                    T".ljust(80) * 40_000)
        file.truncate(10 << 30)
    async with Readers(1, Rules()) as readers:
        with pytest.raises(InvalidInput, match="headers take more than"):
            await readers.read(path)
