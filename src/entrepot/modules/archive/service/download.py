"""Handing files back: found for the caller, opened, proved to be the bytes that were filed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from entrepot.kernel.db import ReadSession
from entrepot.kernel.errors import NotFound
from entrepot.kernel.identity import Caller
from entrepot.kernel.objects import OpenObject
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.models import StoredFile
from entrepot.modules.archive.service.checks import open_file
from entrepot.modules.archive.service.visibility import sight_of
from entrepot.modules.archive.store import files as store

__all__ = ["FileSource", "find_file", "open_source", "signed_url"]

MEDIA_TYPES = {
    ".fits": "image/fits", ".fits.fz": "image/fits", ".fits.gz": "application/gzip",
    ".pdf": "application/pdf", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png",
    ".tar": "application/x-tar", ".tar.gz": "application/gzip", ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}  # fmt: skip


class FileSource:
    """An open file of the archive, as answers read it."""

    def __init__(self, file: StoredFile, opened: OpenObject) -> None:
        self._opened = opened
        self.size = opened.stat.size
        self.etag: str | None = file.md5
        self.modified: datetime | None = file.created
        self.media_type = media_type(file.filename)
        self.filename: str | None = file.filename

    def open(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Read bytes ``start`` to ``stop`` in pieces of at most 1 MiB."""
        return self._opened.read(start=start, stop=stop)

    async def close(self) -> None:
        """Let go of the file."""
        await self._opened.close()


def media_type(filename: str) -> str:
    """Give the media type of a file by its extension (everything from the first dot)."""
    _, dot, rest = filename.lower().partition(".")
    return MEDIA_TYPES.get(dot + rest) or MEDIA_TYPES.get(
        "." + rest.rpartition(".")[2], "application/octet-stream"
    )


async def find_file(session: ReadSession, caller: Caller, key: str, filename: str) -> StoredFile:
    """Find the file that a URL names; raises NotFound also for what the caller may not see."""
    found = None
    if "\x00" not in key and "\x00" not in filename:
        found = await store.find_file(session, key, filename, sight_of(caller))
    if found is None:
        raise NotFound("Not found.")
    return found


async def open_source(process: ProcessContext, file: StoredFile) -> FileSource:
    """Open a file for an answer; the caller closes it. Raises NotFound and Gone."""
    return FileSource(file, await open_file(process, file))


async def signed_url(process: ProcessContext, file: StoredFile, seconds: int) -> str | None:
    """Give a URL of the store at which exactly these bytes are had for a while; None where it can't."""
    if file.store_version is None:  # nothing else keeps other bytes of the same name apart
        return None
    return await process.objects.signed_url(
        file.path, version=file.store_version, filename=file.filename, expires=seconds
    )
