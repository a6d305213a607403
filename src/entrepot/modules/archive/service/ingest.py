"""Filing a frame: its metadata, versions, relations and thumbnails, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from entrepot.kernel.db import Duplicate, WriteSession
from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.events import record_all
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.models import Frame, PostedFrame, PostedThumbnail, Thumbnail
from entrepot.modules.archive.service.checks import CHECKSUM_JOB
from entrepot.modules.archive.service.filed import Filed, FilesOf, Filing, NewFile, clashes, merged
from entrepot.modules.archive.service.filing import shared_path, thumbnail_path
from entrepot.modules.archive.store import ingest as store

__all__ = [
    "Filed", "FilesOf", "NewFile", "file_frame", "file_frames", "file_thumbnail", "files_in_store",
    "post_frame",
]  # fmt: skip

SMALL = 8
"""So many frames are filed within a few milliseconds; more of them in a thread."""


async def post_frame(process: ProcessContext, posted: PostedFrame) -> Filed:
    """File a frame whose files a client has put into the store itself (contract §5).

    Raises InvalidInput for a key or md5 that a version has already, and for names the store can't take.
    """

    async def work(session: WriteSession) -> Filed:
        filed = await file_frame(session, posted, files_in_store(process, posted))
        new = [version.id for version in filed.frame.versions[: len(posted.versions)]]
        session.after_commit.append(lambda: process.jobs.wake(CHECKSUM_JOB, new))
        return filed

    return await process.database.transact(work)


def files_in_store(process: ProcessContext, posted: PostedFrame) -> FilesOf:
    """Give the files of a frame that lie where clients put them; InvalidInput for what can't lie there."""

    def files_of(frame: Frame) -> list[NewFile]:
        return [
            NewFile(
                version=new,
                path=_checked(process, shared_path(frame, new.extension, posted.header_extname)),
                store_version=_store_version(process, new.key),
            )
            for new in posted.versions
        ]

    return files_of


def _store_version(process: ProcessContext, key: str) -> str | None:
    return key if process.objects.scheme == "s3" else None


def _checked(process: ProcessContext, path: str) -> str:
    try:
        process.objects.check_path(path)
    except InvalidInput as error:
        raise InvalidInput.of({"non_field_errors": [f"The store can't file this: {error.detail}"]}) from error
    return path


async def file_frame(session: WriteSession, posted: PostedFrame, files_of: FilesOf) -> Filed:
    """Write a frame with its new versions, in the caller's transaction.

    A known basename gets the posted fields and a further version; a placeholder becomes real. The
    headers and the document are replaced, relations are added and never removed.
    """
    (result,) = await file_frames(session, [(posted, files_of)])
    if isinstance(result, InvalidInput):
        raise result
    return result


async def file_frames(
    session: WriteSession, items: Sequence[tuple[PostedFrame, FilesOf]]
) -> list[Filed | InvalidInput]:
    """Write frames in the caller's transaction, each as if it came alone behind those before it.

    What is refused leaves nothing behind. It takes the same few statements for any number of frames;
    nothing else writes frames.
    """
    if not items:
        return []
    now = datetime.now(UTC)
    filing = await _begun(session, [posted for posted, _ in items], now)
    if len(items) <= SMALL:
        results = filing.file_all(items)
    else:
        results = await asyncio.to_thread(filing.file_all, items)
    await _save(session, filing, now)
    return results


async def _begun(session: WriteSession, posts: Sequence[PostedFrame], now: datetime) -> Filing:
    """Look up what the posts meet in the catalogue."""
    versions = [new for posted in posts for new in posted.versions]
    names = (name for posted in posts for name in (posted.basename, *posted.related))
    keys, md5s = [new.key for new in versions], [new.md5 for new in versions]
    found = await store.known(session, names, keys, md5s)
    changed = {
        found.frames[posted.basename]
        for posted in posts
        if posted.basename in found.frames and not clashes(posted.versions, found.keys, found.md5s)
    }
    frames = await store.read_frames(session, sorted(changed))
    newest = max((frame.versions[0].id for frame in frames.values() if frame.versions), default=0)
    # A writer that drew its ids after us has been faster: newer versions must have higher ids.
    is_overtaken = bool(found.version_ids) and newest > found.version_ids[0]
    if is_overtaken or len(frames) < len(changed):
        raise session.collided()
    return Filing(found, frames, await store.related_to(session, sorted(changed)), now)


async def _save(session: WriteSession, filing: Filing, now: datetime) -> None:
    if not await store.insert_frames(session, filing.new, filing.placeholders, now):
        raise session.collided()
    if not await store.update_frames(session, filing.changed, now):
        raise session.collided()
    await store.save_pieces(session, filing.new, filing.changed)
    try:
        await store.add_versions(session, filing.versions)
    except Duplicate as error:
        # Another writer took the key or sum since we looked; the next try will say so.
        raise session.collided() from error
    await store.save_documents(session, filing.documents)
    await store.add_relations(session, filing.pairs)
    await record_all(session, "archive.version.created", filing.events, now=now)


async def file_thumbnail(process: ProcessContext, posted: PostedThumbnail) -> tuple[Thumbnail, Filed]:
    """File a thumbnail whose picture a client has put into the store; its frame is made if need be.

    A frame made so has no version, and is in no list until its file is ingested (contract §2.12).
    """

    async def work(session: WriteSession) -> tuple[Thumbnail, Filed]:
        filed = await _frame_of_thumbnail(session, posted)
        picture = merged(Frame(0, posted.frame.basename), posted.frame)
        name = posted.frame.basename + posted.file.extension
        path = _checked(process, thumbnail_path(picture, name))
        kept = _store_version(process, posted.file.key)
        thumbnail = await store.save_thumbnail(session, posted, filed.frame.id, path, kept, datetime.now(UTC))
        return thumbnail, filed

    return await process.database.transact(work)


async def _frame_of_thumbnail(session: WriteSession, posted: PostedThumbnail) -> Filed:
    name = posted.frame_basename
    known = (await store.known(session, (name,), (), ())).frames.get(name)
    if known is not None and (found := await store.read_frames(session, [known])):
        related = await store.related_to(session, [known])
        return Filed(found[known], tuple(sorted(related[known])))
    bare = replace(
        posted.frame,
        basename=name,
        versions=(),
        related=tuple(other for other in posted.frame.related if other != name),
    )
    return await file_frame(session, bare, lambda _: ())
