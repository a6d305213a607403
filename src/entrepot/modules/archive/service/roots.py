"""Where the bytes of versions lie: in the store, or in place below the roots, where we only read.

A version's path that begins with a slash is that of a file in place; the store takes no such paths. All
that opens or removes the file of a version goes through here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from entrepot.kernel.errors import EntrepotError, InvalidInput, SettingsError, Unavailable
from entrepot.kernel.objects import Checksums, ObjectMissing, ObjectOutside, OpenObject, Outside, Stat
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.service.local_files import CHANGED
from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["InPlace", "Roots", "is_in_place", "open_object", "read_checksums", "remove_object"]

LONGEST = 2500
"""Bytes of UTF-8 that PostgreSQL's indexes surely take of a path."""
SETTING = "ENTREPOT_ARCHIVE_ROOTS"
VANISHED = "The file of this version isn't any more where it was registered."
OUTSIDE = (
    "The file of this version lies outside the folders that are read in place "
    f"({SETTING}), so it can't be given."
)

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InPlace:
    """A file that stays where it is: its path without links, and the mark of its bytes."""

    path: str
    etag: str


class Roots:
    """The folders whose files are registered and read where they are."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self._folders = folders
        self._outside = Outside([Path(folder) for folder in folders])

    @staticmethod
    async def of(process: ProcessContext) -> Roots:
        """Give the process's roots."""
        return await process.kept.get(Roots, lambda: _opened(process))

    def require(self) -> None:
        """Raise SettingsError, in one sentence, unless there are roots, and each is a folder."""
        if not self._folders:
            raise SettingsError(
                f"No files can be registered in place: {SETTING} names no folder below which they may lie.",
                where=SETTING,
            )
        for folder in self._folders:
            if not Path(folder).is_dir():
                raise SettingsError(f"{SETTING} names {folder!r}, which isn't a folder.", where=SETTING)

    async def resolve(self, paths: Sequence[Path]) -> list[str | EntrepotError]:
        """Give the paths under which files are registered.

        InvalidInput, in one sentence, for one that isn't there, lies below no root or has a path that
        can't be kept.
        """
        return [_registrable(answer) for answer in await self._outside.resolve(paths)]

    async def mark(self, paths: Sequence[str]) -> list[InPlace | EntrepotError]:
        """Give the marks of files, or InvalidInput for those that can't be opened."""
        found = await self._outside.stat(paths)
        return [
            InPlace(path, one.etag) if isinstance(one, Stat) else InvalidInput(CHANGED)
            for path, one in zip(paths, found, strict=True)
        ]

    async def open(self, path: str) -> OpenObject:
        """Open a registered file; raises ObjectMissing, ObjectOutside and Unavailable."""
        return await self._outside.open(path)

    async def checksums(self, path: str) -> tuple[Checksums, Stat]:
        """Read a registered file through; raises as ``open`` does, and ObjectChanged."""
        return await self._outside.checksums(path)

    def close(self) -> None:
        """Let go of the threads."""
        self._outside.close()


@asynccontextmanager
async def _opened(process: ProcessContext) -> AsyncGenerator[Roots]:
    roots = Roots(process.settings.section("archive", ArchiveSettings).roots)
    try:
        yield roots
    finally:
        roots.close()


def _registrable(found: str | EntrepotError) -> str | EntrepotError:
    """Give a path that can be kept, or InvalidInput with what is wrong."""
    if isinstance(found, ObjectOutside):
        return InvalidInput(
            f"It lies below none of the folders of {SETTING}, so it can't be registered in place."
        )
    if isinstance(found, EntrepotError):
        return InvalidInput("It can't be found or read there.")
    fault = _fault(found)
    return InvalidInput(fault) if fault else found


def _fault(path: str) -> str | None:
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "Its path has bytes that aren't UTF-8, so it can't be registered in place."
    if not path.isprintable():
        return (
            "Its path has a line break or another character that can't be shown, "
            "so it can't be registered in place."
        )
    if length > LONGEST:
        return (
            f"Its path has {length:,} bytes; in place, files are registered with paths of up to {LONGEST:,}."
        )
    return None


def is_in_place(path: str) -> bool:
    """Tell whether a version's path is that of a file outside the store."""
    return path.startswith("/")


@contextmanager
def _told(path: str) -> Generator[None]:
    """Say what is wrong with a file in place; its path is for the log alone."""
    try:
        yield
    except ObjectMissing as error:
        raise ObjectMissing(VANISHED) from error
    except ObjectOutside as error:
        raise ObjectOutside(OUTSIDE) from error
    except Unavailable as error:
        log.warning("a file can't be read in place", path=path, reason=error.detail)
        raise Unavailable("The file of this version can't be read just now where it lies.") from error


async def open_object(process: ProcessContext, path: str, store_version: str | None) -> OpenObject:
    """Open the file of a version or thumbnail, wherever it lies; the caller closes it.

    Raises ObjectMissing, ObjectOutside for a file in place that no root allows any more, and Unavailable.
    """
    if not is_in_place(path):
        return await process.objects.open(path, version=store_version)
    with _told(path):
        return await (await Roots.of(process)).open(path)


async def read_checksums(
    process: ProcessContext, path: str, store_version: str | None
) -> tuple[Checksums, Stat]:
    """Read the file of a version or thumbnail through; raises as `open_object` does, and ObjectChanged."""
    if not is_in_place(path):
        return await process.objects.checksums(path, version=store_version)
    with _told(path):
        return await (await Roots.of(process)).checksums(path)


async def remove_object(process: ProcessContext, path: str, store_version: str | None) -> None:
    """Remove the bytes of a version from the store; a file in place is not ours, and stays."""
    if not is_in_place(path):
        await process.objects.delete(path, version=store_version)
