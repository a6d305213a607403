"""Files of this machine taken into a store."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace as changed
from pathlib import Path

import pytest

from entrepot.kernel.errors import EntrepotError, InvalidInput
from entrepot.kernel.objects import ChecksumMismatch, ObjectExists, ObjectMissing, ObjectStore
from tests.kernel.objects.streams import MIB, collect, noise, stream, sums

PATH = "tst/kb01/20260101/raw/frame.fits"
CONTENT = noise(9 * MIB + 17)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "spooled.part"
    file.write_bytes(CONTENT)
    return file


@pytest.mark.parametrize("replace", [True, False])
async def test_what_is_taken_comes_out(store: ObjectStore, file: Path, replace: bool) -> None:
    stored = await store.take(PATH, file, checksums=sums(CONTENT), content_type="image/fits", replace=replace)
    file.unlink(missing_ok=True)
    assert stored.checksums == sums(CONTENT)
    assert await store.stat(PATH) == stored.stat
    assert await collect(store.read(PATH)) == CONTENT


async def test_what_is_there_stays_unless_replaced(store: ObjectStore, file: Path) -> None:
    await store.put(PATH, stream(b"older"))
    with pytest.raises(ObjectExists):
        await store.take(PATH, file, checksums=sums(CONTENT), replace=False)
    assert await collect(store.read(PATH)) == b"older"
    assert file.read_bytes() == CONTENT
    await store.take(PATH, file, checksums=sums(CONTENT))
    assert await collect(store.read(PATH)) == CONTENT


async def test_another_file_than_was_checksummed_is_not_taken(store: ObjectStore, file: Path) -> None:
    with pytest.raises(ChecksumMismatch):
        await store.take(PATH, file, checksums=changed(sums(CONTENT), size=len(CONTENT) - 1))
    with pytest.raises(ObjectMissing):
        await store.stat(PATH)


@pytest.mark.parametrize("path", ["../x", "", "/x", "a//b", "a\nb"])
async def test_paths_are_checked(store: ObjectStore, file: Path, path: str) -> None:
    with pytest.raises(InvalidInput):
        await store.take(path, file, checksums=sums(CONTENT))


async def test_of_many_at_once_one_is_first(store: ObjectStore, tmp_path: Path) -> None:
    small = CONTENT[:MIB]
    files = [tmp_path / f"{number}.part" for number in range(6)]
    for one in files:
        one.write_bytes(small)
    taken = await asyncio.gather(
        *(store.take(PATH, one, checksums=sums(small), replace=False) for one in files),
        return_exceptions=True,
    )
    assert sum(isinstance(one, ObjectExists) for one in taken) == 5
    assert await collect(store.read(PATH)) == small


async def test_a_folder_gives_it_a_further_name(
    folder_store: ObjectStore, file: Path, tmp_path: Path
) -> None:
    number = file.stat().st_ino
    await folder_store.take(PATH, file, checksums=sums(CONTENT), replace=False)
    assert (tmp_path / "files" / PATH).stat().st_ino == number
    file.unlink()
    assert await collect(folder_store.read(PATH)) == CONTENT


async def test_a_file_of_another_file_system_is_copied(
    folder_store: ObjectStore, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second file system is more than a test can count on.
    real = {"link": os.link, "rename": os.rename}

    def crossing(name):
        def call(source, *args, **kwargs):
            if source == file:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return real[name](source, *args, **kwargs)

        return call

    for name in real:
        monkeypatch.setattr(os, name, crossing(name))
    for replace in (False, True):
        stored = await folder_store.take(PATH, file, checksums=sums(CONTENT), replace=replace)
        assert stored.stat == await folder_store.stat(PATH)
    assert (tmp_path / "files" / PATH).stat().st_ino != file.stat().st_ino
    assert await collect(folder_store.read(PATH)) == CONTENT
    with pytest.raises(ObjectExists):
        await folder_store.take(PATH, file, checksums=sums(CONTENT), replace=False)
    file.write_bytes(CONTENT[::-1])
    with pytest.raises(ChecksumMismatch):
        await folder_store.take(PATH, file, checksums=sums(CONTENT))
    assert await collect(folder_store.read(PATH)) == CONTENT


async def test_neither_links_nor_folders_are_taken(
    folder_store: ObjectStore, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(file)
    for one in (tmp_path / "link", tmp_path, tmp_path / "absent"):
        with pytest.raises(EntrepotError):
            await folder_store.take(PATH, one, checksums=sums(CONTENT))
    with pytest.raises(ObjectMissing):
        await folder_store.stat(PATH)
