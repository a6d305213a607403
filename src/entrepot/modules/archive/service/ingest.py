"""Filing a frame: its metadata, versions, relations and thumbnails, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from entrepot.kernel.db import Duplicate, WriteSession
from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.events import record
from entrepot.kernel.objects import Checksums
from entrepot.kernel.process import ProcessContext
from entrepot.modules.archive.documents import render_document
from entrepot.modules.archive.models import (
    FileState,
    Frame,
    NewVersion,
    PostedFrame,
    PostedThumbnail,
    Thumbnail,
    Version,
)  # fmt: skip
from entrepot.modules.archive.service.checks import CHECKSUM_JOB
from entrepot.modules.archive.service.filing import shared_path, thumbnail_path
from entrepot.modules.archive.store import ingest as store

__all__ = ["Filed", "NewFile", "file_frame", "file_thumbnail", "post_frame"]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A new version and where its bytes lie; the checksums are known when they passed through us."""

    version: NewVersion
    path: str
    store_version: str | None = None
    checksums: Checksums | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """A frame as it stands in the catalogue, with the ids of its related frames."""

    frame: Frame
    related: tuple[int, ...]


FilesOf = Callable[[Frame], Sequence[NewFile]]


async def post_frame(process: ProcessContext, posted: PostedFrame) -> Filed:
    """File a frame whose files a client has put into the store itself (contract §5).

    Raises InvalidInput for a key or md5 that a version has already, and for names the store can't take.
    """

    def files_of(frame: Frame) -> list[NewFile]:
        return [
            NewFile(
                version=new,
                path=_checked(process, shared_path(frame, new.extension, posted.header_extname)),
                store_version=_store_version(process, new.key),
            )
            for new in posted.versions
        ]

    async def work(session: WriteSession) -> Filed:
        filed = await file_frame(session, posted, files_of)
        new = [version.id for version in filed.frame.versions[: len(posted.versions)]]
        session.after_commit.append(lambda: process.jobs.wake(CHECKSUM_JOB, new))
        return filed

    return await process.database.transact(work)


def _store_version(process: ProcessContext, key: str) -> str | None:
    return key if process.objects.scheme == "s3" else None


def _checked(process: ProcessContext, path: str) -> str:
    try:
        process.objects.check_path(path)
    except InvalidInput as error:
        raise InvalidInput.of({"non_field_errors": [f"The store can't file this: {error.detail}"]}) from error
    return path


async def file_frame(session: WriteSession, posted: PostedFrame, files_of: FilesOf) -> Filed:
    """Write a frame with its new versions, in the caller's transaction; nothing else writes frames.

    A known basename gets the posted fields and a further version; a placeholder becomes real. The
    headers and the document are replaced, relations are added and never removed.
    """
    now = datetime.now(UTC)
    found = await store.known(session, (posted.basename, *posted.related), posted.versions)
    _refuse_known(posted.versions, found)
    unknown = [name for name in (posted.basename, *posted.related) if name not in found.frames]
    if unknown == [posted.basename]:
        frame = await _insert(session, posted, files_of, found, now)
    else:
        await _add_placeholders(session, unknown, found, now)
        is_new = posted.basename in unknown
        frame = await _update(session, posted, files_of, found, now, is_new=is_new)
    await _save_versions(session, frame, posted, now)
    await store.save_document(session, frame.id, render_document(frame), posted.headers)
    related = [found.frames[name] for name in posted.related]
    if related:
        await store.add_relations(session, frame.id, related)
    if posted.basename not in unknown:
        related = await store.related_to(session, frame.id)
    return Filed(frame, tuple(sorted(related)))


def _refuse_known(versions: Sequence[NewVersion], found: store.Known) -> None:
    wrong: list[dict[str, list[str]]] = []
    for new in versions:
        sentences: dict[str, list[str]] = {}
        if new.key in found.keys:
            sentences["key"] = ["version with this key already exists."]
        if new.md5 in found.md5s:
            sentences["md5"] = ["version with this md5 already exists."]
        wrong.append(sentences)
    if any(wrong):
        raise InvalidInput.of({"version_set": wrong})


async def _insert(
    session: WriteSession, posted: PostedFrame, files_of: FilesOf, found: store.Known, now: datetime
) -> Frame:
    frame = _with_versions(_merged(Frame(found.frame_id, posted.basename), posted), files_of, found, now)
    if not await store.insert_frame(session, frame, now):
        raise session.collided()
    return frame


async def _add_placeholders(
    session: WriteSession, unknown: Sequence[str], found: store.Known, now: datetime
) -> None:
    """Insert a placeholder for each unknown name, the posted frame's own too.

    All in one order: posts that name each other would else wait for each other in a circle.
    """
    made = await store.insert_placeholders(session, unknown, now) if unknown else {}
    if len(made) < len(unknown):
        raise session.collided()
    found.frames |= made


def _merged(frame: Frame, posted: PostedFrame) -> Frame:
    return replace(frame, **cast("dict[str, Any]", dict(posted.values)))


def _with_versions(frame: Frame, files_of: FilesOf, found: store.Known, now: datetime) -> Frame:
    new = [
        _version(version_id, frame.id, file, now)
        for version_id, file in zip(found.version_ids, files_of(frame), strict=True)
    ]
    return replace(frame, versions=(*reversed(new), *frame.versions))


def _version(version_id: int, frame_id: int, file: NewFile, now: datetime) -> Version:
    sums = file.checksums
    return Version(
        id=version_id,
        frame_id=frame_id,
        key=file.version.key,
        md5=file.version.md5,
        extension=file.version.extension,
        path=file.path,
        created=now,
        store_version=file.store_version,
        size=sums.size if sums else None,
        crc32=sums.crc32 if sums else None,
        sha256=sums.sha256 if sums else None,
        etag=file.etag,
        state=FileState.CHECKED if sums else FileState.UNCHECKED,
        checked=now if sums else None,
    )


async def _update(
    session: WriteSession,
    posted: PostedFrame,
    files_of: FilesOf,
    found: store.Known,
    now: datetime,
    *,
    is_new: bool,
) -> Frame:
    frame_id = found.frames[posted.basename]
    before = Frame(frame_id, posted.basename) if is_new else await store.read_frame(session, frame_id)
    if before is None or _is_overtaken(before, found):
        raise session.collided()
    frame = _with_versions(_merged(before, posted), files_of, found, now)
    if not await store.update_frame(session, frame, now):
        raise session.collided()
    return frame


def _is_overtaken(before: Frame, found: store.Known) -> bool:
    """Tell whether a writer that drew its ids after us has been faster: newer versions have higher ids."""
    return bool(before.versions and found.version_ids and before.versions[0].id > min(found.version_ids))


async def _save_versions(session: WriteSession, frame: Frame, posted: PostedFrame, now: datetime) -> None:
    new = frame.versions[: len(posted.versions)]
    if not new:
        return
    try:
        await store.add_versions(session, new)
    except Duplicate as error:
        # Another writer took the key or sum since we looked; the next try will say so.
        raise session.collided() from error
    for version in new:
        body = {"frame": frame.id, "version": version.id, "basename": frame.basename}
        await record(session, "archive.version.created", body, now=now)


async def file_thumbnail(process: ProcessContext, posted: PostedThumbnail) -> tuple[Thumbnail, Filed]:
    """File a thumbnail whose picture a client has put into the store; its frame is made if need be.

    A frame made so has no version, and is in no list until its file is ingested (contract §2.12).
    """

    async def work(session: WriteSession) -> tuple[Thumbnail, Filed]:
        filed = await _frame_of_thumbnail(session, posted)
        picture = _merged(Frame(0, posted.frame.basename), posted.frame)
        name = posted.frame.basename + posted.file.extension
        path = _checked(process, thumbnail_path(picture, name))
        kept = _store_version(process, posted.file.key)
        thumbnail = await store.save_thumbnail(session, posted, filed.frame.id, path, kept, datetime.now(UTC))
        return thumbnail, filed

    return await process.database.transact(work)


async def _frame_of_thumbnail(session: WriteSession, posted: PostedThumbnail) -> Filed:
    name = posted.frame_basename
    found = (await store.known(session, (name,), ())).frames.get(name)
    frame = await store.read_frame(session, found) if found is not None else None
    if frame is not None:
        return Filed(frame, tuple(sorted(await store.related_to(session, frame.id))))
    bare = replace(
        posted.frame,
        basename=name,
        versions=(),
        related=tuple(other for other in posted.frame.related if other != name),
    )
    return await file_frame(session, bare, lambda _: ())
