from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from entrepot.kernel.errors import InsufficientStorage, Unavailable
from entrepot.kernel.objects import Digest, Spool

MIB = 1 << 20
OPEN = Path("/proc/self/fd")


@pytest.fixture
def spool(tmp_path: Path):
    spool = Spool(tmp_path / "data" / "spool")
    yield spool
    spool.close()


def listed(tmp_path: Path) -> list[str]:
    return [one.name for one in (tmp_path / "data" / "spool").iterdir()]


async def test_a_file_lives_as_long_as_it_is_held(spool, tmp_path) -> None:
    digest = Digest()
    async with spool.file(3 * MIB) as file:
        for piece in (b"a" * MIB, b"b", b""):
            await file.write(piece)
            digest.feed(piece)
        assert file.path.read_bytes() == b"a" * MIB + b"b"
        assert file.checksums() == digest.result()
        assert file.left == 2 * MIB - 1
        assert listed(tmp_path) == [file.path.name]
    assert listed(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
async def test_nothing_is_left_of_a_failure(spool, tmp_path, error) -> None:
    async def fail() -> None:
        async with spool.file() as file:
            await file.write(b"half")
            raise error

    with pytest.raises(error):
        await fail()
    assert listed(tmp_path) == []


async def test_a_file_that_was_taken_away_is_no_failure(spool) -> None:
    async with spool.file() as file:
        file.path.unlink()


async def test_a_folder_that_was_taken_away_leaves_nothing_open(spool) -> None:
    before = len(list(OPEN.iterdir()))
    async with spool.file() as file:
        shutil.rmtree(file.path.parent)
        with pytest.raises(Unavailable, match="can't be written to"):
            await file.write(b"half")
    assert len(list(OPEN.iterdir())) == before


@pytest.mark.parametrize("size", [10**17, 2**62])
async def test_room_is_asked_for_first(spool, tmp_path, size) -> None:
    with pytest.raises(InsufficientStorage, match="no room"):
        async with spool.file(size):
            pytest.fail("there was room")
    assert listed(tmp_path) == []


async def test_what_others_are_to_write_counts(spool, tmp_path) -> None:
    async with spool.file() as probe:
        found = os.statvfs(probe.path)
    most = found.f_bavail * found.f_frsize * 2 // 3
    async with spool.file(most) as first:
        with pytest.raises(InsufficientStorage):
            async with spool.file(most):
                pytest.fail("both can't have room")
        assert listed(tmp_path) == [first.path.name]
    async with spool.file(most):
        pass


async def test_what_comes_without_a_size_ends_when_the_disk_is_full(spool, tmp_path, monkeypatch) -> None:
    real, free = os.statvfs, 100 * MIB

    def filling(path):
        nonlocal free
        free -= 10 * MIB
        fields = list(real(path))
        fields[0], fields[1], fields[4] = 1, 1, free  # f_bsize, f_frsize, f_bavail
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", filling)

    async def fill() -> None:
        async with spool.file() as file:
            for _ in range(100):
                await file.write(b"x" * MIB)

    with pytest.raises(InsufficientStorage):
        await fill()
    assert 0 < free < 64 * MIB
    assert listed(tmp_path) == []


async def test_a_sweep_leaves_what_somebody_holds(spool, tmp_path) -> None:
    async with spool.file() as file:
        (file.path.parent / ("a" * 32 + ".part")).write_bytes(b"left by a dead process")
        assert await spool.sweep(timedelta(hours=1)) == 0
        assert await spool.sweep(timedelta(0)) == 1
        assert listed(tmp_path) == [file.path.name]


async def test_the_lock_is_what_a_sweep_looks_at(spool) -> None:
    async with spool.file() as file:
        with file.path.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_sweeping_where_nothing_was_spooled_makes_nothing(spool, tmp_path) -> None:
    assert await spool.sweep(timedelta(0)) == 0
    assert not (tmp_path / "data").exists()


async def test_a_folder_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "data").write_text("a file in the way")
    spool = Spool(tmp_path / "data" / "spool")
    with pytest.raises(Unavailable, match="can't be written to"):
        async with spool.file():
            pytest.fail("there is no folder")
    spool.close()
