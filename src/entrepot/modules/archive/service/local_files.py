"""Files of this machine: their checksums, and the certainty that they are still what was read."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from entrepot.kernel.errors import EntrepotError, InvalidInput
from entrepot.kernel.objects import PIECE, Checksums, Digest

__all__ = ["CHANGED", "LocalFile", "local_file", "pieces_of", "read_through", "read_whole", "refuse_changed"]

AT_ONCE = 32 * PIECE
"""Bytes that a thread reads before it can be told to stop."""
CHANGED = "It changed while it was being read; ingest it again when nobody writes to it."


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine as it was when its checksums were taken."""

    path: Path
    checksums: Checksums
    identity: tuple[int, ...]
    """Device, inode, size, and the times of the last change in nanoseconds."""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Read the file again in pieces of 1 MiB; raises InvalidInput if it is another one by now."""
        reading = pieces_of(self)
        while piece := await asyncio.to_thread(next, reading, b""):
            yield piece


async def local_file(path: Path) -> LocalFile:
    """Take the checksums of a file.

    Raises InvalidInput, in one sentence, for what isn't a regular file, can't be read or is being written.
    """
    reading = read_through(path)
    while (file := await asyncio.to_thread(next, reading)) is None:
        pass
    return file


def read_through(path: Path) -> Iterator[LocalFile | None]:
    """Take the checksums of a file (blocks); yields None every 32 MiB, and at last the file.

    Raises as `local_file` does.
    """
    digest = Digest()
    with _readable(), _open(path) as file:
        identity = _identity(os.fstat(file.fileno()))
        while _feed(file, digest):
            yield None
        if _identity(os.fstat(file.fileno())) != identity:
            raise InvalidInput(CHANGED)
    yield LocalFile(path, digest.result(), identity)


def read_whole(path: Path, most: int) -> tuple[LocalFile, bytes] | None:
    """Take the checksums of a file and give its bytes too (blocks); None if it has more than ``most``.

    Raises as `local_file` does.
    """
    with _readable(), _open(path) as file:
        identity = _identity(os.fstat(file.fileno()))
        size = identity[2]
        if size > most:
            return None
        content = file.read(size + 1)
        while content and len(content) < size and (more := file.read(size + 1 - len(content))):
            content += more
        if len(content) != size or _identity(os.fstat(file.fileno())) != identity:
            raise InvalidInput(CHANGED)
    digest = Digest()
    digest.feed(content)
    return LocalFile(path, digest.result(), identity), content


def pieces_of(file: LocalFile) -> Iterator[bytes]:
    """Read a file again in pieces of 1 MiB (blocks); raises InvalidInput if it is another one by now."""
    left = file.checksums.size
    with _readable(), _open(file.path) as opened:
        if _identity(os.fstat(opened.fileno())) != file.identity:
            raise InvalidInput(CHANGED)
        while left > 0:
            piece = opened.read(PIECE)
            if not piece:
                raise InvalidInput(CHANGED)
            left -= len(piece)
            yield piece


def refuse_changed(files: Sequence[LocalFile]) -> list[EntrepotError | None]:
    """Say of each file whether it is another one by now than that whose checksums were taken (blocks)."""
    return [_change_of(file) for file in files]


def _change_of(file: LocalFile) -> InvalidInput | None:
    try:
        with _readable():
            now = _identity(file.path.stat())
    except InvalidInput as error:
        return error
    return None if now == file.identity else InvalidInput(CHANGED)


@contextmanager
def _readable() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"It can't be read: {error.strerror or error}.") from error


def _open(path: Path) -> FileIO:
    # Non-blocking, so that a pipe can't hold the thread; it means nothing to a file.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput("It isn't a regular file.")
    return os.fdopen(descriptor, "rb", buffering=0)


def _feed(file: FileIO, digest: Digest) -> bool:
    """Digest the next 32 MiB; False at the end."""
    for _ in range(AT_ONCE // PIECE):
        piece = file.read(PIECE)
        if not piece:
            return False
        digest.feed(piece)
    return True


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
