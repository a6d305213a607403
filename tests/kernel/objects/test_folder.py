"""What is special about a folder: other programs' files, links, dead writers, memory."""

import asyncio
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from entrepot.kernel.errors import InvalidInput, Unavailable
from entrepot.kernel.objects import ObjectChanged, ObjectExists, ObjectMissing, ObjectStore, open_store
from tests.kernel.objects.streams import MIB, collect, failing, noise, stream, sums

NOW = timedelta(0)
TEMPORARY = ".entrepot"
WRITER = """
import asyncio, sys
from entrepot.kernel.objects import open_store

async def pieces():
    for _ in range(3):
        yield bytes(1 << 20)
    print("midway", flush=True)
    await asyncio.sleep(600)

asyncio.run(open_store(sys.argv[1]).put("a/b", pieces()))
"""


@pytest.fixture
def files(tmp_path: Path, folder_store: ObjectStore) -> Path:
    """The folder of the store."""
    return tmp_path / "files"


def visible(files: Path) -> list[str]:
    found = [path.relative_to(files) for path in files.rglob("*") if not path.is_dir()]
    return sorted(str(path) for path in found if path.parts[0] != TEMPORARY)


def unfinished(files: Path) -> list[Path]:
    return sorted((files / TEMPORARY).glob("*"))


@pytest.fixture
def writer(files: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the middle of a put under a/b."""
    with subprocess.Popen([sys.executable, "-c", WRITER, files.as_uri()], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"midway\n"
        yield process
        process.kill()


async def test_the_file_is_a_plain_file(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.put("a/b c.fits", stream(b"content"))
    assert visible(files) == ["a/b c.fits"]
    assert (files / "a" / "b c.fits").read_bytes() == b"content"
    assert unfinished(files) == []


async def test_others_may_read_it_as_far_as_the_umask_says(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.put("a", stream(b"content"))
    mask = os.umask(0)
    os.umask(mask)
    assert (files / "a").stat().st_mode & 0o777 == 0o666 & ~mask


async def test_a_file_that_another_program_wrote_is_read(folder_store: ObjectStore, files: Path) -> None:
    (files / "tst").mkdir()
    (files / "tst" / "a").write_bytes(b"written by somebody else")
    assert await collect(folder_store.read("tst/a")) == b"written by somebody else"
    checksums, stat = await folder_store.checksums("tst/a")
    assert checksums == sums(b"written by somebody else")
    status = (files / "tst" / "a").stat()
    assert stat.etag == f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    await folder_store.delete("tst/a")
    assert visible(files) == []


@pytest.mark.parametrize("sent", [0, 3 * MIB])
async def test_a_failed_put_leaves_no_temporary_file(
    folder_store: ObjectStore, files: Path, sent: int
) -> None:
    with pytest.raises(RuntimeError):
        await folder_store.put("a/b", failing(bytes(sent), RuntimeError("midway")))
    assert visible(files) == []
    assert unfinished(files) == []


async def test_a_cancelled_put_leaves_no_temporary_file(folder_store: ObjectStore, files: Path) -> None:
    for delay in (0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02):
        task = asyncio.create_task(folder_store.put("a/b", stream(bytes(5 * MIB))))
        await asyncio.sleep(delay)
        task.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert unfinished(files) == []


async def test_what_a_killed_writer_left_is_not_visible_and_is_swept(
    folder_store: ObjectStore, files: Path, writer: subprocess.Popen[bytes]
) -> None:
    assert visible(files) == []
    (left,) = unfinished(files)
    assert left.stat().st_size == 3 * MIB
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert await folder_store.sweep_temporary(timedelta(hours=1)) == 0
    assert unfinished(files) == [left]
    assert await folder_store.sweep_temporary(NOW) == 1
    assert unfinished(files) == []
    assert await folder_store.sweep_temporary(NOW) == 0
    with pytest.raises(ObjectMissing):
        await folder_store.stat("a/b")


async def test_what_is_being_written_is_not_swept(
    folder_store: ObjectStore, files: Path, writer: subprocess.Popen[bytes]
) -> None:
    (being_written,) = unfinished(files)
    os.utime(being_written, (0, 0))
    assert await folder_store.sweep_temporary(NOW) == 0

    async def swept_midway() -> AsyncIterator[bytes]:
        yield b"before"
        assert await folder_store.sweep_temporary(NOW) == 0
        yield b" and after"

    await folder_store.put("c", swept_midway())
    assert await collect(folder_store.read("c")) == b"before and after"
    assert unfinished(files) == [being_written]


async def test_a_sweep_passes_over_what_no_put_made(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.put("a", stream(b"content"))
    temporary = files / TEMPORARY
    (temporary / "folder").mkdir()
    (temporary / "link").symlink_to(files / "a")
    assert await folder_store.sweep_temporary(NOW) == 0
    assert await collect(folder_store.read("a")) == b"content"


async def test_puts_and_sweeps_at_once_lose_nothing(folder_store: ObjectStore, files: Path) -> None:
    async def sweep() -> None:
        while True:
            await folder_store.sweep_temporary(NOW)

    sweeper = asyncio.create_task(sweep())
    paths = [f"{number % 3}/{number}" for number in range(150)]
    await asyncio.gather(*(folder_store.put(path, stream(path.encode())) for path in paths))
    sweeper.cancel()
    assert [await collect(folder_store.read(path)) for path in paths] == [path.encode() for path in paths]


async def test_a_file_swept_before_its_writer_could_lock_it_is_made_again(
    folder_store: ObjectStore, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    swept: list[Path] = []

    def swept_first(descriptor: int, operation: int) -> None:
        if not swept:
            swept.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            swept[0].unlink()
        lock(descriptor, operation)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", swept_first)
        await folder_store.put("a", stream(b"content"))
    assert swept
    assert await collect(folder_store.read("a")) == b"content"


@pytest.mark.parametrize("path", [".entrepot", ".entrepot/a", ".ENTREPOT/a"])
async def test_the_folder_of_unfinished_files_is_no_place_for_objects(
    folder_store: ObjectStore, path: str
) -> None:
    with pytest.raises(InvalidInput):
        await folder_store.put(path, stream(b""))
    with pytest.raises(InvalidInput):
        await collect(folder_store.read(path))


@pytest.fixture
def outside(tmp_path: Path, files: Path) -> Path:
    """A folder beside the store's, with a file in it."""
    folder = tmp_path / "files-of-others"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    return folder


async def test_links_out_of_the_store_are_refused(
    folder_store: ObjectStore, files: Path, outside: Path
) -> None:
    (files / "file").symlink_to(outside / "secret")
    (files / "relative").symlink_to(Path("..") / outside.name / "secret")
    (files / "folder").symlink_to(outside)
    (files / "twice").symlink_to(files / "folder")
    for path in ("file", "relative", "folder/secret", "twice/secret"):
        with pytest.raises(ObjectMissing):
            await collect(folder_store.read(path))
        with pytest.raises(ObjectMissing):
            await folder_store.open(path)
        with pytest.raises(ObjectMissing):
            await folder_store.stat(path)
        with pytest.raises(ObjectMissing):
            await folder_store.checksums(path)


async def test_nothing_is_written_or_deleted_through_a_link_out_of_the_store(
    folder_store: ObjectStore, files: Path, outside: Path
) -> None:
    (files / "folder").symlink_to(outside)
    (files / "new").symlink_to(outside / "not there yet")
    for path in ("folder/secret", "folder/other", "folder/deep/other", "new/a"):
        with pytest.raises(InvalidInput):
            await folder_store.put(path, stream(b"mine"))
        with pytest.raises(InvalidInput):
            await folder_store.delete(path)
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert unfinished(files) == []


async def test_a_put_over_a_link_replaces_the_link(
    folder_store: ObjectStore, files: Path, outside: Path
) -> None:
    (files / "file").symlink_to(outside / "secret")
    await folder_store.put("file", stream(b"mine"))
    assert (outside / "secret").read_bytes() == b"secret"
    assert await collect(folder_store.read("file")) == b"mine"
    (files / "link").symlink_to(outside / "secret")
    await folder_store.delete("link")
    assert (outside / "secret").exists()


async def test_links_inside_the_store_are_followed(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.put("real/a", stream(b"content"))
    (files / "linked").symlink_to(files / "real")
    (files / "file").symlink_to("real/a")
    assert await collect(folder_store.read("linked/a")) == b"content"
    assert await collect(folder_store.read("file")) == b"content"
    await folder_store.put("linked/b/c", stream(b"through"))
    assert (files / "real" / "b" / "c").read_bytes() == b"through"


async def test_an_unfinished_file_is_not_seen_through_a_link(
    folder_store: ObjectStore, files: Path, writer: subprocess.Popen[bytes]
) -> None:
    (being_written,) = unfinished(files)
    (files / "link").symlink_to(being_written)
    (files / "folder").symlink_to(files / TEMPORARY)
    for path in ("link", f"folder/{being_written.name}"):
        with pytest.raises(ObjectMissing):
            await folder_store.open(path)


async def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    store = open_store((tmp_path / "root").as_uri())
    await store.put("a/b", stream(b"content"))
    assert await collect(store.read("a/b")) == b"content"
    await store.close()


async def test_only_files_are_objects(folder_store: ObjectStore, files: Path) -> None:
    (files / "folder").mkdir()
    os.mkfifo(files / "pipe")
    (files / "device").symlink_to("/dev/zero")
    (files / "loop").symlink_to(files / "loop")
    (files / "dangling").symlink_to(files / "nowhere")
    for path in ("folder", "pipe", "device", "loop", "loop/a", "dangling"):
        async with asyncio.timeout(5):
            with pytest.raises(ObjectMissing):
                await folder_store.open(path)
    await folder_store.delete("folder")
    assert (files / "folder").is_dir()


async def test_what_is_in_the_way_of_a_put_is_said(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.put("file", stream(b"content"))
    (files / "folder").mkdir()
    (files / "loop").symlink_to(files / "loop")
    for path in ("file/a", "folder", "loop/a"):
        with pytest.raises(InvalidInput, match="in its way"):
            await folder_store.put(path, stream(b"new"))
    with pytest.raises(ObjectExists):
        await folder_store.put("folder", stream(b"new"), replace=False)
    assert await collect(folder_store.read("file")) == b"content"
    assert unfinished(files) == []


@pytest.mark.parametrize("change", ["append", "shorten", "overwrite"])
async def test_a_file_changed_in_place_while_it_is_read_is_noticed(
    folder_store: ObjectStore, files: Path, change: str
) -> None:
    content = noise(3 * MIB)
    await folder_store.put("a", stream(content))
    pieces = folder_store.read("a")
    assert await anext(pieces) == content[:MIB]
    with (files / "a").open("r+b") as file:
        if change == "append":
            file.seek(0, os.SEEK_END)
            file.write(b"!")
        elif change == "shorten":
            file.truncate(MIB)
        else:
            file.seek(2 * MIB)
            file.write(b"other bytes")
    with pytest.raises(ObjectChanged):
        await collect(pieces)


async def test_the_open_file_is_the_one_that_was_stated(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.put("a", stream(b"old"))
    opened = await folder_store.open("a")
    await folder_store.put("a", stream(b"newer"))
    assert opened.stat.size == 3
    assert await collect(opened.read()) == b"old"
    await folder_store.delete("a")
    assert await collect(opened.read()) == b"old"
    await opened.close()


async def test_no_descriptor_is_left_open(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.put("a", stream(bytes(3 * MIB)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        await folder_store.put("b/c", stream(bytes(2 * MIB)))
        await folder_store.stat("a")
        await folder_store.checksums("a")
        pieces = folder_store.read("a")
        await anext(pieces)
        await pieces.aclose()
        for path in ("missing", "b", "a/b"):
            with pytest.raises(ObjectMissing):
                await folder_store.stat(path)
        with pytest.raises(InvalidInput):
            await folder_store.put("a/b", stream(b""))
        await folder_store.sweep_temporary(NOW)
        await folder_store.ready()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_memory_stays_flat(folder_store: ObjectStore) -> None:
    """64 MiB go through in both directions, whatever the size of the pieces that come in."""

    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(1024):
            yield bytes(MIB // 16)

    tracemalloc.start()
    try:
        await folder_store.put("large", zeros())
        read = 0
        async for piece in folder_store.read("large"):
            read += len(piece)
        await folder_store.checksums("large")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == 64 * MIB
    assert peak < 8 * MIB


@pytest.fixture
def system_calls(monkeypatch: pytest.MonkeyPatch, files: Path) -> list[tuple[str, str]]:
    """The calls that make a file durable, in their order, with what they were for."""
    calls: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(files.resolve())
        calls.append(("fsync", "file" if target.suffix == ".part" else str(target)))
        fsync(descriptor)

    def noted_rename(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        calls.append(("rename", target))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    return calls


async def test_a_file_is_on_disk_before_it_has_its_name_and_the_name_before_the_put_ends(
    folder_store: ObjectStore, files: Path, system_calls: list[tuple[str, str]]
) -> None:
    (files / TEMPORARY).mkdir()
    (files / "old").mkdir()
    await folder_store.put("old/new/newer/a", stream(b"content"))
    assert system_calls == [
        ("fsync", "file"),
        ("fsync", "old"),
        ("fsync", "old/new"),
        ("rename", "a"),
        ("fsync", "old/new/newer"),
    ]


async def test_a_full_disk_is_said_to_be_full_and_nothing_is_left(
    folder_store: ObjectStore, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) == MIB:
            return write(descriptor, data[: MIB // 3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(Unavailable, match=r"^The file store has no space left\.$"):
            await folder_store.put("a", stream(bytes(3 * MIB)))
    assert visible(files) == []
    assert unfinished(files) == []


async def test_a_write_that_takes_only_a_part_is_gone_on_with(
    folder_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    content = noise(2 * MIB)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:100_000]))
        await folder_store.put("a", stream(content))
    assert await collect(folder_store.read("a")) == content


async def test_the_event_loop_is_not_held_up(folder_store: ObjectStore) -> None:
    """What costs time happens in other threads; 64 MiB take some 200 ms to hash and write."""
    before = time.thread_time()
    await folder_store.put("a", stream(bytes(32 * MIB)))
    await folder_store.checksums("a")
    assert time.thread_time() - before < 0.06


async def test_a_store_without_its_folder_is_not_ready(folder_store: ObjectStore, files: Path) -> None:
    await folder_store.ready()
    files.rename(files.with_name("moved"))
    with pytest.raises(Unavailable, match="can't be written to"):
        await folder_store.ready()
    with pytest.raises(Unavailable):
        await folder_store.put("a", stream(b""))
    with pytest.raises(ObjectMissing):
        await folder_store.stat("a")


async def test_a_folder_that_cant_be_written_is_not_ready(folder_store: ObjectStore, files: Path) -> None:
    (files / TEMPORARY).write_bytes(b"in the way")
    with pytest.raises(Unavailable, match="can't be written to: Not a directory"):
        await folder_store.ready()


async def test_no_version_is_deleted_where_none_are_kept(folder_store: ObjectStore) -> None:
    await folder_store.put("a", stream(b"content"))
    with pytest.raises(ObjectMissing):
        await folder_store.delete("a", version="900150983cd24fb0d6963f7d28e17f72")
    assert await collect(folder_store.read("a")) == b"content"


async def test_a_folder_has_no_signed_urls(folder_store: ObjectStore) -> None:
    assert await folder_store.signed_url("a", version=None, filename="a", expires=60) is None


async def test_threads_end_with_the_store(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = open_store(tmp_path.as_uri())
    await store.put("a", stream(b"content"))
    started = set(threading.enumerate()) - before
    assert started
    await store.close()
    for thread in started:
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()
