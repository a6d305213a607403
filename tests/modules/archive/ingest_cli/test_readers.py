"""Child processes that read files: what hangs or kills one is refused, and the next file is read."""

import asyncio
import contextlib
import hashlib
import os
import signal
import zlib
from pathlib import Path

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.objects import Checksums, ObjectExists, Stored
from entrepot.modules.archive.service.readers import Readers, Reading
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


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A file with 15 MB of header, which take a while."""
    path = tmp_path / "long.fits"
    frame = frame_bytes(1)
    path.write_bytes(frame[: 80 * 5] + b"COMMENT".ljust(80) * 36 * 5200 + frame[80 * 5 :])
    return path


async def test_what_kills_its_reader_twice_is_refused_and_the_next_is_read(good: Path, long: Path) -> None:
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


def _sums_of(path: Path) -> Checksums:
    content = path.read_bytes()
    return Checksums(
        len(content),
        zlib.crc32(content),
        hashlib.md5(content).hexdigest(),
        hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a store."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("hold", [0, 1 << 20], ids=["read again", "held"])
async def test_what_was_taken_is_put(good: Path, pipe: Path, folder: Path, hold: int) -> None:
    untyped = _without_type(good)
    async with Readers(1, Rules()) as readers, readers.lend() as lent:
        fine, failed, refused = await lent.take([good, pipe, untyped], hold=hold)
        assert isinstance(failed, InvalidInput)
        assert "isn't a regular file" in str(failed)
        assert isinstance(fine, Reading)
        assert isinstance(refused, Reading)
        assert isinstance(refused.record, InvalidInput)
        assert isinstance(fine.record, dict)
        assert fine.record["basename"] == "good"
        assert [fine.file.checksums, refused.file.checksums] == [_sums_of(good), _sums_of(untyped)]

        [stored] = await lent.put(folder, [(fine.file, "a/b/good.fits")])
        assert isinstance(stored, Stored)
        assert stored.checksums == _sums_of(folder / "a" / "b" / "good.fits")
        assert await lent.put(folder, [(fine.file, "a/b/good.fits")]) == [None]
        [again] = await lent.take([good], hold=hold)
        assert isinstance(again, Reading)
        [there] = await lent.put(folder, [(again.file, "a/b/good.fits")])
        assert isinstance(there, ObjectExists)


async def test_what_changed_since_it_was_taken_isnt_put(good: Path, folder: Path) -> None:
    async with Readers(1, Rules()) as readers, readers.lend() as lent:
        [taken] = await lent.take([good], hold=0)
        assert isinstance(taken, Reading)
        good.write_bytes(frame_bytes(2))
        [answer] = await lent.put(folder, [(taken.file, "a/b/good.fits")])
    assert isinstance(answer, InvalidInput)
    assert "changed while" in str(answer)
    assert not [path for path in folder.rglob("*") if path.is_file()]


async def test_what_a_dead_reader_held_is_lost(good: Path, folder: Path) -> None:
    before = _children()
    async with Readers(1, Rules()) as readers, readers.lend() as lent:
        [taken] = await lent.take([good], hold=1 << 20)
        assert isinstance(taken, Reading)
        [child] = _children() - before
        os.kill(child, signal.SIGKILL)
        assert await lent.put(folder, [(taken.file, "a/b/good.fits")]) == [None]
        [again] = await lent.take([good], hold=1 << 20)
        assert isinstance(again, Reading)


async def test_what_kills_its_reader_is_found_among_several(good: Path, long: Path) -> None:
    before, dead = _children(), set[int]()
    async with Readers(1, Rules()) as readers, readers.lend() as lent:
        taking = asyncio.create_task(lent.take([good, long, _without_type(good)], hold=0))
        for _ in range(3):
            dead.add(child := await _reader_of(long, before | dead))
            os.kill(child, signal.SIGSEGV)
        first, killer, last = await taking
    assert isinstance(first, Reading)
    assert isinstance(killer, InvalidInput)
    assert "died of it (SIGSEGV)" in str(killer)
    assert isinstance(last, Reading)
    assert isinstance(last.record, InvalidInput)
