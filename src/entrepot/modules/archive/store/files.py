"""The files of versions and thumbnails: finding them for a caller, and what is known of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, literal, or_, select, union_all, update
from sqlalchemy.sql.elements import ColumnElement

from entrepot.kernel.db import ReadSession, WriteSession
from entrepot.kernel.objects import Checksums
from entrepot.modules.archive.models import FileState, Sight, StoredFile, Version
from entrepot.modules.archive.store.search import VERSION_COLUMNS, version_of, visible
from entrepot.modules.archive.tables import frame, thumbnail, version

__all__ = [
    "claim", "filed_names", "find_file", "known_md5s", "record_check", "record_thumbnail", "unchecked",
]  # fmt: skip


def _replaced() -> ColumnElement[bool]:
    newer = version.alias("newer")
    return (
        select(literal(1))
        .where(newer.c.path == version.c.path, newer.c.id > version.c.id, version.c.store_version.is_(None))
        .exists()
    )


async def find_file(session: ReadSession, key: str, filename: str, sight: Sight) -> StoredFile | None:
    """Give the file that a key and a name stand for, if the caller may see its frame."""
    of_version = (
        select(
            literal("version").label("kind"), version.c.id, frame.c.basename + version.c.extension,
            version.c.md5, version.c.path, version.c.store_version, version.c.created, version.c.size,
            version.c.etag, version.c.state, _replaced().label("replaced"),
        )
        .select_from(version.join(frame, frame.c.id == version.c.frame_id))
        .where(version.c.key == key, visible(sight))
    )  # fmt: skip
    of_thumbnail = (
        select(
            literal("thumbnail").label("kind"), thumbnail.c.id, thumbnail.c.basename + thumbnail.c.extension,
            thumbnail.c.md5, thumbnail.c.path, thumbnail.c.store_version, thumbnail.c.created,
            thumbnail.c.bytes, thumbnail.c.etag, literal(FileState.UNCHECKED.value).label("state"),
            (literal(1) == literal(0)).label("replaced"),
        )
        .select_from(thumbnail.join(frame, frame.c.id == thumbnail.c.frame_id))
        .where(thumbnail.c.key == key, visible(sight))
    )  # fmt: skip
    for row in await session.all(union_all(of_version, of_thumbnail)):
        found = StoredFile(*row)
        if found.filename == filename:
            return found
    return None


async def known_md5s(session: ReadSession, md5s: Sequence[str]) -> set[str]:
    """Tell which of the sums are those of versions."""
    return {row[0] for row in await session.all(select(version.c.md5).where(version.c.md5.in_(md5s)))}


async def filed_names(session: ReadSession, basenames: Sequence[str]) -> set[str]:
    """Tell which of the basenames are those of frames that have versions."""
    statement = select(frame.c.basename).where(frame.c.basename.in_(basenames), frame.c.has_version)
    return {row[0] for row in await session.all(statement)}


def _waiting(now: datetime) -> ColumnElement[bool]:
    return and_(
        version.c.state == literal(FileState.UNCHECKED.value, literal_execute=True),
        or_(version.c.lease.is_(None), version.c.lease < now),
    )


async def unchecked(session: ReadSession, now: datetime, most: int) -> list[int]:
    """Give versions that nobody has checked and nobody is checking, oldest first."""
    statement = select(version.c.id).where(_waiting(now)).order_by(version.c.id).limit(most)
    return [row[0] for row in await session.all(statement)]


async def claim(session: WriteSession, version_id: int, now: datetime, lease: timedelta) -> Version | None:
    """Take a version to check it; None when it is done or somebody else's."""
    statement = (
        update(version)
        .where(version.c.id == version_id, _waiting(now))
        .values(lease=now + lease)
        .returning(*VERSION_COLUMNS)
    )
    row = (await session.execute(statement)).first()
    return version_of(row) if row else None


async def extend_claim(session: WriteSession, version_id: int, until: datetime) -> None:
    """Keep a claim alive while a long file is read."""
    await session.execute(update(version).where(version.c.id == version_id).values(lease=until))


async def record_check(
    session: WriteSession,
    version_id: int,
    state: FileState,
    checksums: Checksums | None,
    etag: str | None,
    now: datetime,
) -> None:
    """Write what a check of a version found."""
    values: dict[str, object] = {"state": state.value, "checked": now, "lease": None, "etag": etag}
    if checksums is not None:
        values |= {"size": checksums.size, "crc32": checksums.crc32, "sha256": checksums.sha256}
    await session.execute(update(version).where(version.c.id == version_id).values(**values))


async def record_thumbnail(session: WriteSession, thumbnail_id: int, size: int, etag: str) -> None:
    """Write what a check of a thumbnail found."""
    statement = update(thumbnail).where(thumbnail.c.id == thumbnail_id).values(bytes=size, etag=etag)
    await session.execute(statement)


async def is_replaced(session: ReadSession, version_id: int) -> bool:
    """Tell whether a newer version was put under the version's path."""
    statement = select(_replaced()).where(version.c.id == version_id)
    return bool(await session.scalar(statement))
