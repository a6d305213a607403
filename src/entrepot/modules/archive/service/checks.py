"""Whether the bytes in the store are those of a version: checked once in the background, and at download."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import structlog

from entrepot.kernel.db import WriteSession
from entrepot.kernel.errors import EntrepotError, Gone, NotFound
from entrepot.kernel.objects import Checksums, ObjectChanged, ObjectMissing, ObjectOutside, OpenObject
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.models import FileState, StoredFile, Version
from entrepot.modules.archive.service.roots import VANISHED, is_in_place, open_object, read_checksums
from entrepot.modules.archive.store import files as store

__all__ = ["CHECKSUM_JOB", "LONGEST_CHECK", "check_versions", "open_file", "unchecked_versions"]

CHECKSUM_JOB = "archive.checksum"
SWEPT_AT_ONCE = 1000
SLICE = timedelta(minutes=4)
"""After this, a run takes no further file and queues the rest."""
LONGEST_CHECK = 25 * 60.0
"""Seconds for which one large file may be read; RabbitMQ takes a message back after 30 minutes."""
OVERWRITTEN = (
    "The file of this version was overwritten in the store by another one of the same name, "
    "so its bytes can't be given any more; the newest version of the frame has them."
)
ABSENT = "The store doesn't have the file of this version."
CHANGED_IN_PLACE = (
    "The file of this version was changed where it lies since it was registered, "
    "so its bytes can't be given any more."
)

log = structlog.stdlib.get_logger(__name__)


async def unchecked_versions(process: ProcessContext) -> list[int]:
    """Give the versions whose checksums nobody has taken and nobody is taking."""
    async with process.database.read_newest() as session:
        return await store.unchecked(session, datetime.now(UTC), SWEPT_AT_ONCE)


async def check_versions(process: ProcessContext, version_ids: Sequence[int]) -> None:
    """Take the checksums of versions that a client put into the store itself.

    Each is claimed for as long as the process lives and works on it; one that another process has, or
    has done, is passed over. After four minutes the rest is queued anew.
    """
    end = datetime.now(UTC) + SLICE
    for position, version_id in enumerate(version_ids):
        if datetime.now(UTC) > end:
            process.jobs.wake(CHECKSUM_JOB, version_ids[position:])
            return
        await _check(process, version_id)


async def _check(process: ProcessContext, version_id: int) -> None:
    lease = timedelta(seconds=process.settings.jobs_lease)

    async def take(session: WriteSession) -> Version | None:
        return await store.claim(session, version_id, datetime.now(UTC), lease)

    version = await process.database.transact(take)
    if version is None:
        return
    async with _kept(process, version_id, lease):
        state, sums, etag = await _look(process, version)
    await _record(process, version_id, state, sums, etag)
    log.info("a version was checked", version=version_id, state=state.value)


async def _look(process: ProcessContext, version: Version) -> tuple[FileState, Checksums | None, str | None]:
    try:
        sums, stat = await read_checksums(process, version.path, version.store_version)
    except (ObjectMissing, ObjectOutside):
        return FileState.MISSING, None, None
    except ObjectChanged:
        return FileState.UNCHECKED, None, None
    if sums.md5 == version.md5:
        return FileState.CHECKED, sums, stat.etag
    return await _other_bytes(process, version.id), None, stat.etag


async def _other_bytes(process: ProcessContext, version_id: int) -> FileState:
    """Tell why a version's path holds other bytes."""
    async with process.database.read_newest() as session:
        replaced = await store.is_replaced(session, version_id)
    return FileState.OVERWRITTEN if replaced else FileState.MISMATCH


async def _record(
    process: ProcessContext, version_id: int, state: FileState, sums: Checksums | None, etag: str | None
) -> None:
    async def work(session: WriteSession) -> None:
        await store.record_check(session, version_id, state, sums, etag, datetime.now(UTC))

    await process.database.transact(work)


@asynccontextmanager
async def _kept(process: ProcessContext, version_id: int, lease: timedelta) -> AsyncGenerator[None]:
    """Keep a claim alive while the work goes on, however long the file is."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(lease.total_seconds() / 3)

            async def extend(session: WriteSession) -> None:
                await store.extend_claim(session, version_id, datetime.now(UTC) + lease)

            try:
                await process.database.transact(extend)
            except EntrepotError as error:  # the next try may come in time
                log.warning("a claim can't be kept alive just now", version=version_id, reason=error.detail)

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def open_file(process: ProcessContext, file: StoredFile) -> OpenObject:
    """Open a file of the archive, sure that its bytes are those that were filed; the caller closes it.

    Raises NotFound if the store hasn't got it, and Gone if other bytes lie in its place.
    """
    if file.replaced:
        raise _gone(file)
    try:
        opened = await open_object(process, file.path, file.store_version)
    except ObjectMissing as error:
        raise NotFound(VANISHED if is_in_place(file.path) else ABSENT) from error
    try:
        await _prove(process, file, opened)
    except BaseException:
        await opened.close()
        raise
    return opened


def _gone(file: StoredFile) -> Gone:
    return Gone(CHANGED_IN_PLACE if is_in_place(file.path) else OVERWRITTEN)


async def _prove(process: ProcessContext, file: StoredFile, opened: OpenObject) -> None:
    etag = opened.stat.etag
    if etag == file.etag and file.state in (FileState.MISMATCH, FileState.OVERWRITTEN):
        raise _gone(file)
    if etag == file.etag or (file.store_version is not None and etag == file.md5):
        return
    try:
        sums, stat = await read_checksums(process, file.path, file.store_version)
    except (ObjectChanged, ObjectMissing) as error:
        raise _gone(file) from error
    if sums.md5 != file.md5 or stat.etag != etag:
        if file.kind == "version" and stat.etag == etag:
            await _record(process, file.id, await _other_bytes(process, file.id), None, etag)
        raise _gone(file)
    if file.kind == "version":
        await _record(process, file.id, FileState.CHECKED, sums, etag)
        return

    async def work(session: WriteSession) -> None:
        await store.record_thumbnail(session, file.id, sums.size, etag)

    await process.database.transact(work)
