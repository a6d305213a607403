"""The upload door: a file is spooled as it comes in, checked, read by a child process, stored and filed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from entrepot.kernel.errors import EntrepotError, InvalidInput, Unavailable
from entrepot.kernel.objects import Checksums, ObjectExists, SpoolFile, regrouped
from entrepot.kernel.process import ProcessContext
from entrepot.lib.fits import Card, FitsError
from entrepot.modules.archive.models import PostedFrame
from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.service.download import media_type
from entrepot.modules.archive.service.ingest import Filed
from entrepot.modules.archive.service.own_door import AlreadyThere, Placed, path_for, placed_at, register
from entrepot.modules.archive.service.readers import Readers
from entrepot.modules.archive.service.records import Rules, rules_of, split_name
from entrepot.modules.archive.service.rules import DESCRIBED
from entrepot.modules.archive.settings import ArchiveSettings
from entrepot.modules.archive.store import search

__all__ = ["METADATA", "AlreadyHeld", "Upload", "UploadDoor"]

METADATA = "X-Entrepot-Metadata"
"""The header of a request that has cards."""

WAIT_SECONDS = 10.0
"""How long an upload waits for one of those before it to end."""
LEFTOVER = timedelta(hours=1)
KNOWN = "version with this md5 already exists."


class AlreadyHeld(InvalidInput):
    """A version has these bytes; ``frame_id`` is its frame."""

    code = "already_held"

    def __init__(self, frame_id: int) -> None:
        fields = {"version_set": [{"md5": [KNOWN]}]}
        super().__init__("A version has these bytes already.", fields=fields)
        self.frame_id = frame_id


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as its sender announces it: ``given`` are cards that are put over the file's own."""

    name: str
    given: Mapping[str, Card]
    size: int | None
    verify: Callable[[Checksums], None]
    """Raises InvalidInput for bytes that aren't those announced."""


class UploadDoor:
    """What a process keeps for uploads: how many there are, and the child processes that read files."""

    def __init__(self, process: ProcessContext, rules: Rules, readers: Readers) -> None:
        self._process = process
        self._settings = process.settings.section("archive", ArchiveSettings)
        self._rules = rules
        self._readers = readers
        self._slots = asyncio.Semaphore(self._settings.uploads)
        self._swept = time.monotonic()

    @staticmethod
    async def of(process: ProcessContext) -> UploadDoor:
        """Give the process's door."""
        return await process.kept.get(UploadDoor, lambda: _opened(process))

    def check(self, upload: Upload) -> None:
        """Raise InvalidInput, in one sentence, for a file that can't be filed, whatever its bytes are."""
        name = upload.name
        if "/" in name or "\\" in name:
            raise InvalidInput("The name of a file has no slash or backslash.", where="name")
        self._process.objects.check_path(name)
        _, extension = self._split(name)
        if self._rules.classes[extension] == DESCRIBED and not upload.given:
            raise InvalidInput(
                f"Files named {extension} have no header of their own: send their cards as a JSON object "
                f"in the header {METADATA}.",
                where=METADATA,
            )

    def _split(self, name: str) -> tuple[str, str]:
        try:
            return split_name(name, self._rules)
        except FitsError as error:
            raise InvalidInput(str(error), where="name") from error

    async def take_in(self, upload: Upload, body: AsyncIterator[bytes]) -> Filed:
        """File what ``body`` gives; when this returns, it lies in the store and in the catalogue.

        Raises InvalidInput for a file that can't be filed, AlreadyHeld for bytes that a version has,
        InsufficientStorage, Unavailable and what ``body`` raises; then nothing is left of it.
        """
        async with self._slot(), self._process.spool.file(upload.size or 0) as file:
            checksums = await _spooled(file, body)
            upload.verify(checksums)
            await self._require_new(checksums.md5)
            posted = await self._posted(upload, file, checksums)
            placed = await self._place(posted, file, checksums)
        return await self._registered(placed, checksums.md5)

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable(
                "As many files are being uploaded as this server takes at once; try again in a minute.",
                headers={"Retry-After": "60"},
            ) from None
        try:
            await self._sweep()
            yield
        finally:
            self._slots.release()

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept > LEFTOVER.total_seconds():
            self._swept = time.monotonic()
            await self._process.spool.sweep(LEFTOVER)

    async def _require_new(self, md5: str) -> None:
        frame_id = await _holder(self._process, md5)
        if frame_id is not None:
            raise AlreadyHeld(frame_id)

    async def _posted(self, upload: Upload, file: SpoolFile, checksums: Checksums) -> PostedFrame:
        record = await self._readers.read(file.path, name=upload.name, given=upload.given)
        _, extension = self._split(upload.name)
        version = {"key": checksums.md5, "md5": checksums.md5, "extension": extension}
        return await asyncio.to_thread(read_frame, record | {"version_set": [version]}, self._settings)

    async def _place(self, posted: PostedFrame, file: SpoolFile, checksums: Checksums) -> Placed:
        path = path_for(self._process, posted)
        media = media_type(posted.basename + posted.versions[0].extension)
        take = partial(self._process.objects.take, path, file.path, checksums=checksums, content_type=media)
        try:
            stored = await take(replace=False)
        except ObjectExists:
            # Another upload has just put it, or one that was killed before it wrote the rows.
            await self._require_new(checksums.md5)
            stored = await take(replace=True)
        return placed_at(posted, path, stored)

    async def _registered(self, placed: Placed, md5: str) -> Filed:
        [result] = await register(self._process, [placed])
        if isinstance(result, AlreadyThere):
            await self._require_new(md5)
        if isinstance(result, EntrepotError):
            raise result
        return result


@asynccontextmanager
async def _opened(process: ProcessContext) -> AsyncGenerator[UploadDoor]:
    settings = process.settings.section("archive", ArchiveSettings)
    rules = rules_of(settings, {})
    await process.spool.sweep(timedelta(0))  # what lives is locked, however young
    async with Readers(min(settings.uploads, os.cpu_count() or 1), rules) as readers:
        yield UploadDoor(process, rules, readers)


async def _spooled(file: SpoolFile, body: AsyncIterator[bytes]) -> Checksums:
    async with aclosing(regrouped(body)) as pieces:
        async for piece in pieces:
            await file.write(piece)
    checksums = file.checksums()
    if not checksums.size:
        raise InvalidInput("The body is empty; it must be the file.", where="body")
    return checksums


async def _holder(process: ProcessContext, md5: str) -> int | None:
    """Give the frame that has a version with these bytes."""
    async with process.database.read_newest() as session:
        rows, _ = await search.list_versions(session, md5, 1, 0)
    return rows[0][0].frame_id if rows else None
