"""The object store over a folder: plain files, which other programs may read and write as well."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, ParamSpec, TypeVar

from entrepot.kernel.errors import InvalidInput, Unavailable
from entrepot.kernel.objects.errors import ObjectChanged, ObjectExists, ObjectMissing
from entrepot.kernel.objects.incoming import Incoming, sweep, take_over
from entrepot.kernel.objects.models import Checksums, Scheme, Stat, Stored
from entrepot.kernel.objects.paths import check_object_path, shown
from entrepot.kernel.objects.pieces import PIECE, check_span, pieces_of, regrouped
from entrepot.kernel.objects.reading import checksums_of
from entrepot.kernel.objects.root import TEMPORARY, NotAFileError, OutsideRootError, Root
from entrepot.kernel.objects.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 32
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP, errno.ENAMETOOLONG}


class FolderStore:
    """Files below one folder; ``content_type`` and versions are not kept."""

    scheme: ClassVar[Scheme] = "file"

    def __init__(self, folder: Path) -> None:
        self._root = Root(folder)
        self._threads = Threads("folder", _THREADS)

    @property
    def folder(self) -> Path:
        """See ObjectStore."""
        return self._root.folder

    def check_path(self, path: str) -> None:
        """See ObjectStore."""
        check_folder_path(path)

    async def put(
        self,
        path: str,
        pieces: AsyncIterator[bytes],
        *,
        content_type: str = "",
        expected: Checksums | None = None,
        replace: bool = True,
    ) -> Stored:
        """See ObjectStore. A cancellation during the last rename may find the object whole."""
        self.check_path(path)
        incoming = Incoming(self._root, path)
        try:
            await self._write(path, incoming.create)
            async with aclosing(regrouped(pieces)) as grouped:
                async for piece in grouped:
                    await self._write(path, incoming.write, piece)
            commit = functools.partial(incoming.commit, expected=expected, replace=replace)
            checksums, status = await self._write(path, commit)
        finally:
            await self._write(path, incoming.discard)
        return Stored(checksums, stat_of(status))

    async def take(
        self, path: str, file: Path, *, checksums: Checksums, content_type: str = "", replace: bool = True
    ) -> Stored:
        """See ObjectStore. In the same file system the file gets another name, and isn't copied."""
        self.check_path(path)
        status = await self._write(
            path, take_over, self._root, path, file, size=checksums.size, replace=replace
        )
        if status is not None:
            return Stored(checksums, stat_of(status))
        return await self.put(path, pieces_of(file, self._threads), expected=checksums, replace=replace)

    async def _write(self, path: str, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # only around the store's own calls: what the caller's iterator raises goes through as it is
        with writing(path):
            return await self._threads.finish(step, *args, **kwargs)

    async def stat(self, path: str, *, version: str | None = None) -> Stat:
        """See ObjectStore."""
        opened = await self.open(path, version=version)
        await opened.close()
        return opened.stat

    async def open(self, path: str, *, version: str | None = None) -> OpenFile:
        """See ObjectStore."""
        self.check_path(path)
        _refuse_version(path, version)
        return await self._threads.finish(OpenFile.at, self._root, path, self._threads)

    async def read(
        self, path: str, *, start: int = 0, stop: int | None = None, version: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore."""
        check_span(start, stop)
        opened = await self.open(path, version=version)
        try:
            async for piece in opened.read(start=start, stop=stop):
                yield piece
        finally:
            await opened.close()

    async def checksums(self, path: str, *, version: str | None = None) -> tuple[Checksums, Stat]:
        """See ObjectStore."""
        opened = await self.open(path, version=version)
        try:
            checksums = await checksums_of(opened, self._threads)
        finally:
            await opened.close()
        if await self.stat(path) != opened.stat:
            raise _changed(path)
        return checksums, opened.stat

    async def delete(self, path: str, *, version: str | None = None) -> None:
        """See ObjectStore."""
        self.check_path(path)
        _refuse_version(path, version)
        await self._write(path, self._delete, path)

    def _delete(self, path: str) -> None:
        with (
            suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
            self._root.parent_of(path) as folder,
        ):
            os.unlink(path.rpartition("/")[2], dir_fd=folder)
            os.fsync(folder)

    async def signed_url(self, path: str, *, version: str | None, filename: str, expires: int) -> None:
        """See ObjectStore."""
        return

    async def sweep_temporary(self, older_than: timedelta) -> int:
        """See ObjectStore. A file whose writer lives is left alone, however old."""
        return await self._write(TEMPORARY, sweep, self._root.temporary, older_than)

    async def ready(self) -> None:
        """See ObjectStore."""
        await self._threads.probe(self._probe, f"The folder {self._root.folder} doesn't answer.")

    def _probe(self) -> None:
        incoming = Incoming(self._root, "probe")
        try:
            try:
                incoming.create()
            finally:
                incoming.discard()
        except OSError as error:
            raise Unavailable(
                f"The folder {self._root.folder} can't be written to: {error.strerror or error}."
            ) from error

    async def close(self) -> None:
        """See ObjectStore."""
        self._threads.close()


def check_folder_path(path: str) -> None:
    """Raise InvalidInput for a path that a folder can't take."""
    check_object_path(path)
    if path.partition("/")[0].casefold() == TEMPORARY:
        raise InvalidInput(f"The path {shown(path)} can't be stored: {TEMPORARY!r} is the store's own.")


class OpenFile:
    """An open file below the root."""

    def __init__(self, path: str, descriptor: int, threads: Threads) -> None:
        self._path = path
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._threads = threads
        self.stat: Final = stat_of(os.fstat(descriptor))

    @classmethod
    def at(cls, root: Root, path: str, threads: Threads) -> OpenFile:
        """Open a file (blocks); raises ObjectMissing and Unavailable."""
        with reading(path):
            return cls(path, root.open_file(path), threads)

    async def read(self, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """See OpenObject."""
        check_span(start, stop)
        end = self.stat.size if stop is None else min(stop, self.stat.size)
        while start < end:
            piece = await self._threads.finish(self._piece, start, min(PIECE, end - start))
            start += len(piece)
            yield piece

    def _piece(self, start: int, length: int) -> bytes:
        descriptor = self._file.fileno()
        try:
            piece = os.pread(descriptor, length, start)
            now = stat_of(os.fstat(descriptor))
        except OSError as error:
            raise _unreadable(self._path, error) from error
        if now != self.stat or not piece:
            raise _changed(self._path)
        return piece

    async def close(self) -> None:
        """See OpenObject."""
        self.release()

    def release(self) -> None:
        """Let go of it at once."""
        self._file.close()


def stat_of(status: os.stat_result) -> Stat:
    """Describe a file by what the system says of it."""
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return Stat(status.st_size, etag, None, datetime.fromtimestamp(status.st_mtime, UTC))


def _changed(path: str) -> ObjectChanged:
    return ObjectChanged(f"The stored file {shown(path)} changed while it was being read; try again.")


def _unreadable(path: str, error: OSError) -> Unavailable:
    return Unavailable(f"The stored file {shown(path)} can't be read: {error.strerror or error}.")


def _refuse_version(path: str, version: str | None) -> None:
    if version is not None:
        raise ObjectMissing(f"No version {shown(version)} is stored as {shown(path)}.")


@contextmanager
def reading(path: str) -> Generator[None]:
    """Say what a failed system call means to someone who reads."""
    try:
        yield
    except OutsideRootError as error:
        raise ObjectMissing(f"The file {shown(path)} is a link that leads out of the store.") from error
    except NotAFileError as error:
        raise ObjectMissing(f"What is stored as {shown(path)} is not a file.") from error
    except OSError as error:
        if error.errno in _ABSENT:
            raise ObjectMissing(f"Nothing is stored as {shown(path)}.") from error
        raise _unreadable(path, error) from error


@contextmanager
def writing(path: str) -> Generator[None]:
    """Say what a failed system call means to someone who writes."""
    try:
        yield
    except OutsideRootError as error:
        raise InvalidInput(f"The path {shown(path)} leads out of the store by a link.") from error
    except FileExistsError as error:
        raise ObjectExists(f"Something is stored as {shown(path)} already.") from error
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            raise InvalidInput(
                f"The path {shown(path)} can't be stored: a file or folder is in its way."
            ) from error
        if error.errno in _FULL:
            raise Unavailable("The file store has no space left.") from error
        raise Unavailable(f"The file store can't be written to: {error.strerror or error}.") from error
