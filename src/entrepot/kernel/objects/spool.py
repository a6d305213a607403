"""A folder of this machine for files that pass through: written, checksummed on the way, read, removed."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from entrepot.kernel.errors import InsufficientStorage, Unavailable
from entrepot.kernel.objects.incoming import Part, sweep
from entrepot.kernel.objects.models import Checksums
from entrepot.kernel.objects.threads import Threads

THREADS = 8
SPARE = 64 * 2**20
"""Bytes of the disk that are left to others."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class SpoolFile:
    """A file in the spool; ``left`` is how many of the bytes that were announced haven't come yet."""

    def __init__(self, folder: Path, part: Part, threads: Threads, size: int) -> None:
        self._folder = folder
        self._part = part
        self._threads = threads
        self.left = size

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._folder / self._part.name

    async def write(self, piece: bytes) -> None:
        """Append bytes, at best 1 MiB; raises InsufficientStorage and Unavailable."""
        with _failures():
            await self._threads.finish(self._write, piece)
        self.left = max(0, self.left - len(piece))

    def _write(self, piece: bytes) -> None:
        # What comes without a length ends here, and not where the catalogue on the same disk has no room.
        _require_room(self._folder, len(piece))
        self._part.write(piece)

    def checksums(self) -> Checksums:
        """Give the checksums of what was written so far."""
        return self._part.checksums()


class Spool:
    """Files that live as long as somebody holds them; their names mean nothing."""

    def __init__(self, folder: Path) -> None:
        self._path = folder.absolute()
        self._threads = Threads("spool", THREADS)
        self._open: set[SpoolFile] = set()

    @asynccontextmanager
    async def file(self, size: int = 0) -> AsyncGenerator[SpoolFile]:
        """Give an empty file, which is removed at the end; ``size`` is what it will have, if that is known.

        Raises InsufficientStorage if the disk has no room for it beside what others are to write still.
        """
        part = Part(self._folder)
        file = SpoolFile(self._path, part, self._threads, size)
        self._open.add(file)
        try:
            with _failures():
                await self._threads.finish(self._prepare, sum(one.left for one in self._open))
                await self._threads.finish(part.create)
            yield file
        finally:
            self._open.discard(file)
            await self._threads.finish(part.discard)

    async def sweep(self, older_than: timedelta) -> int:
        """Remove what dead processes have left for so long; returns how many."""
        with _failures(), suppress(FileNotFoundError):
            return await self._threads.finish(sweep, self._folder, older_than)
        return 0

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    def _prepare(self, size: int) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        _require_room(self._path, size)

    @contextmanager
    def _folder(self) -> Generator[int]:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def _failures() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise _full() from error
        raise Unavailable(f"The spool can't be written to: {error.strerror or error}.") from error


def _require_room(folder: Path, size: int) -> None:
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < size + SPARE:
        raise _full()


def _full() -> InsufficientStorage:
    return InsufficientStorage("There is no room on the disk for a file of this size; tell the operators.")
