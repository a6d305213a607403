"""Files put into a folder store by another process: as safe as by the store itself, many at once."""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.kernel.errors import InvalidInput, Unavailable
from entrepot.kernel.objects import (
    ChecksumMismatch,
    Checksums,
    FolderWriter,
    ObjectExists,
    Stored,
    Whole,
    open_store,
)


def _sums(content: bytes) -> Checksums:
    return Checksums(
        len(content),
        zlib.crc32(content),
        hashlib.md5(content).hexdigest(),
        hashlib.sha256(content).hexdigest(),
    )


def _whole(path: str, content: bytes) -> Whole:
    return Whole(path, content, _sums(content))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def writer(folder: Path) -> FolderWriter:
    folder.mkdir()
    return FolderWriter(folder)


async def test_the_store_has_what_was_put(writer: FolderWriter, folder: Path) -> None:
    contents = {
        "top.fits": b"0",
        "a/one.fits": b"1" * 100_000,
        "a/b/c/d/two.fits": b"",
        "a/b/c/d/three.fits": b"3",
        "a/b/c/e/four.fits": b"4" * 3_000_000,
    }
    stored = writer.put_all([_whole(path, content) for path, content in contents.items()])

    assert _files(folder) == contents
    store = open_store(folder.as_uri())
    for (path, content), one in zip(contents.items(), stored, strict=True):
        assert isinstance(one, Stored)
        assert one.checksums == _sums(content)
        assert await store.checksums(path) == (_sums(content), one.stat)
    await store.close()


def test_what_is_there_stays_and_the_others_are_put(writer: FolderWriter, folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "x").write_bytes(b"older")
    (folder / "a" / "file").write_bytes(b"in the way")
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "out").symlink_to(outside)
    (folder / "a" / "linked").symlink_to(outside)
    before = _files(folder)
    refused = {
        "a/b/x": ObjectExists,
        "a/file/x": InvalidInput,
        "a/linked/x": InvalidInput,
        "out/a/x": InvalidInput,
        "/abs": InvalidInput,
        "": InvalidInput,
        "a/../x": InvalidInput,
        ".entrepot/x": InvalidInput,
    }
    objects = [_whole(path, path.encode()) for path in ["a/b/first", *refused, "a/b/last"]]

    first, *failed, last = writer.put_all(objects)

    assert isinstance(first, Stored)
    assert isinstance(last, Stored)
    assert dict(zip(refused, map(type, failed), strict=True)) == refused
    assert _files(folder) == before | {"a/b/first": b"a/b/first", "a/b/last": b"a/b/last"}
    assert list(outside.iterdir()) == []


def test_the_same_path_twice(writer: FolderWriter, folder: Path) -> None:
    first, second = writer.put_all([_whole("a/b/x", b"1"), _whole("a/b/x", b"2")])
    assert isinstance(first, Stored)
    assert isinstance(second, ObjectExists)
    assert _files(folder) == {"a/b/x": b"1"}


def test_a_stream(writer: FolderWriter, folder: Path) -> None:
    stored = writer.put("a/b/x", iter([b"1", b"2"]), _sums(b"12"))
    assert stored.checksums == _sums(b"12")
    with pytest.raises(ObjectExists):
        writer.put("a/b/x", iter([b"12"]), _sums(b"12"))
    with pytest.raises(ChecksumMismatch):
        writer.put("a/b/y", iter([b"1", b"3"]), _sums(b"12"))
    with pytest.raises(InvalidInput, match="gone"):
        writer.put("a/b/z", _failing(), _sums(b"12"))
    assert _files(folder) == {"a/b/x": b"12"}


def _failing() -> Iterator[bytes]:
    yield b"1"
    raise InvalidInput("The rest is gone.")


def test_a_folder_that_isnt_there(tmp_path: Path) -> None:
    writer = FolderWriter(tmp_path / "absent")
    with pytest.raises(Unavailable):
        writer.put_all([_whole("a", b"1")])
    assert writer.put_all([]) == []
