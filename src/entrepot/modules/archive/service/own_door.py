"""Our own door: a file's bytes go into the store under a path of their own, then its frame is filed."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, cast

from entrepot.kernel.db import WriteSession
from entrepot.kernel.errors import Conflict, EntrepotError, InvalidInput
from entrepot.kernel.objects import PIECE, Checksums, Digest, ObjectExists, Stored
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.models import Frame, PostedFrame
from entrepot.modules.archive.service.download import media_type
from entrepot.modules.archive.service.filing import own_path
from entrepot.modules.archive.service.ingest import Filed, NewFile, file_frame
from entrepot.modules.archive.service.visibility import of_the_service
from entrepot.modules.archive.store import files as store

__all__ = ["AlreadyThere", "LocalFile", "Placed", "known_sums", "local_file", "path_for", "place", "register"]

AT_ONCE = 32 * PIECE
"""Bytes that a thread reads before it can be told to stop."""
CHANGED = "It changed while it was being read; ingest it again when nobody writes to it."


class AlreadyThere(Conflict):
    """A version has these bytes already."""

    code = "already_there"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine as it was when its checksums were taken."""

    path: Path
    checksums: Checksums
    identity: tuple[int, ...]

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Read the file again in pieces of 1 MiB; raises InvalidInput if it is another one by now."""
        reading, left = _pieces(self.path, self.identity), self.checksums.size
        while left > 0:
            piece = await asyncio.to_thread(next, reading, b"")
            if not piece:
                raise InvalidInput(CHANGED)
            left -= len(piece)
            yield piece


async def local_file(path: Path) -> LocalFile:
    """Take the checksums of a file.

    Raises InvalidInput, in one sentence, for what isn't a regular file, can't be read or is being written.
    """
    reading = _read_through(path)
    while (file := await asyncio.to_thread(next, reading)) is None:
        pass
    return file


def _read_through(path: Path) -> Iterator[LocalFile | None]:
    """Yield None every 32 MiB, so that a thread can be told to stop, and the checksums at last."""
    digest = Digest()
    with _readable(), _open(path) as file:
        identity = _identity(file)
        while _feed(file, digest):
            yield None
        if _identity(file) != identity:
            raise InvalidInput(CHANGED)
    yield LocalFile(path, digest.result(), identity)


def _pieces(path: Path, identity: tuple[int, ...]) -> Iterator[bytes]:
    with _readable(), _open(path) as file:
        if _identity(file) != identity:
            raise InvalidInput(CHANGED)
        while piece := file.read(PIECE):
            yield piece


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


def _identity(file: FileIO) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame whose new version lies in the store; what is missing is its rows."""

    posted: PostedFrame
    file: NewFile

    @property
    def filename(self) -> str:
        """The name under which the file is downloaded."""
        return self.posted.basename + self.file.version.extension


async def known_sums(process: ProcessContext, md5s: Sequence[str]) -> list[bool]:
    """Tell of each MD5 sum whether a version has it."""
    async with process.database.read_newest() as session:
        known = await store.known_md5s(session, md5s)
    return [md5 in known for md5 in md5s]


def path_for(process: ProcessContext, posted: PostedFrame) -> str:
    """Give the path of a frame's one version; raises InvalidInput for one that the store can't take."""
    frame = replace(Frame(0, posted.basename), **cast("dict[str, Any]", dict(posted.values)))
    path = own_path(frame, posted.versions[0].extension, posted.versions[0].md5)
    process.objects.check_path(path)
    return path


async def place(
    process: ProcessContext,
    posted: PostedFrame,
    checksums: Checksums,
    pieces: Callable[[], AsyncIterator[bytes]],
) -> Placed | None:
    """Put the bytes of a frame's one version into the store; ``pieces`` gives them, twice if need be.

    None if a version has them meanwhile. Raises ChecksumMismatch for other bytes than those announced,
    InvalidInput for a name that the store can't take, Unavailable, and what ``pieces`` raises.
    """
    announced = posted.versions[0]
    path = path_for(process, posted)
    media = media_type(posted.basename + announced.extension)
    put = partial(process.objects.put, path, content_type=media, expected=checksums)
    try:
        stored = await put(pieces(), replace=False)
    except ObjectExists:
        # Another process has just put it, or one that was killed before it wrote the rows.
        if (await known_sums(process, [announced.md5]))[0]:
            return None
        stored = await put(pieces(), replace=True)
    return _placed(posted, path, stored)


def _placed(posted: PostedFrame, path: str, stored: Stored) -> Placed:
    kept = stored.stat.version
    version = replace(posted.versions[0], key=kept or stored.checksums.md5)
    file = NewFile(version, path, kept, stored.checksums, stored.stat.etag)
    return Placed(replace(posted, versions=(version,)), file)


async def register(process: ProcessContext, placed: Sequence[Placed]) -> list[Filed | EntrepotError]:
    """File placed frames in one transaction; give each one's frame, or why the catalogue refuses it.

    AlreadyThere is such a reason. The object of what is refused is removed, unless it is, or may soon be,
    that of another process's version: in a folder, two that file the same bytes put them under one path.
    """
    results = await _file_all(process, placed)
    for one, result in zip(placed, results, strict=True):
        ours_alone = one.file.store_version is not None or isinstance(result, AlreadyThere)
        if isinstance(result, EntrepotError) and ours_alone:
            await _withdraw(process, one)
    return results


async def _file_all(process: ProcessContext, placed: Sequence[Placed]) -> list[Filed | EntrepotError]:
    results: dict[int, Filed | EntrepotError] = {}
    # In the order of their names, so that two processes with the same frames don't wait in a circle.
    order = sorted(range(len(placed)), key=lambda index: placed[index].posted.basename)

    async def work(session: WriteSession) -> None:
        for index in order:
            results[index] = await _file(session, placed[index])

    try:
        await process.database.transact(work)
    except Conflict as error:
        if len(placed) == 1:
            return [error]
        return [(await _file_all(process, [one]))[0] for one in placed]
    return [results[index] for index in range(len(placed))]


async def _file(session: WriteSession, placed: Placed) -> Filed | EntrepotError:
    try:
        return await file_frame(session, placed.posted, lambda _: [placed.file])
    except InvalidInput as error:  # nothing has been written of it
        known = "md5" in str(error.fields.get("version_set"))
        return AlreadyThere("A version has these bytes already.") if known else error


async def _withdraw(process: ProcessContext, placed: Placed) -> None:
    file = placed.file
    if file.store_version is None and await _is_owned(process, placed):
        return
    await process.objects.delete(file.path, version=file.store_version)


async def _is_owned(process: ProcessContext, placed: Placed) -> bool:
    """Tell whether a version's bytes lie where these were put: somebody was faster with the same file."""
    async with process.database.read_newest() as session:
        key = placed.file.version.key
        found = await store.find_file(session, key, placed.filename, of_the_service())
    return found is not None and found.path == placed.file.path
