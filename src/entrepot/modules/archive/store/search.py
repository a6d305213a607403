"""Reading frames: what a caller may see, conditions, order, pages and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    func,
    select,
    true,
)  # fmt: skip

from entrepot.kernel.db import AnyRow, AnySelect, ReadSession
from entrepot.modules.archive.models import (
    FileState,
    Frame,
    FrameQuery,
    ListedFrame,
    Listing,
    Sight,
    Thumbnail,
    Version,
)  # fmt: skip
from entrepot.modules.archive.store.shapes import (
    count_statement,
    detail_statement,
    first_and_last,
    nearby_statement,
    page_statement,
    shape_of,
    values_of,
    visible,
)  # fmt: skip
from entrepot.modules.archive.store.sky import EVER, Window, place_values
from entrepot.modules.archive.tables import document, frame, relation, thumbnail, version

__all__ = [
    "count", "frames_by_id", "frames_related_to", "headers_of", "list_frames", "list_thumbnails",
    "list_versions", "related_ids", "thumbnails_of", "visible",
]  # fmt: skip

FRAME_COLUMNS = (
    frame.c.id, frame.c.basename, frame.c.observation_date, frame.c.observation_day, frame.c.public_date,
    frame.c.proposal_id, frame.c.instrument_id, frame.c.target_name, frame.c.site_id, frame.c.telescope_id,
    frame.c.primary_optical_element, frame.c.configuration_type, frame.c.reduction_level,
    frame.c.exposure_time, frame.c.observation_id, frame.c.request_id, frame.c.submitter, frame.c.area,
    frame.c.revision,
)  # fmt: skip

VERSION_COLUMNS = tuple(column for column in version.c if column.name != "lease")

THUMBNAIL_COLUMNS = (
    thumbnail.c.id, thumbnail.c.frame_id, thumbnail.c.size, thumbnail.c.basename, thumbnail.c.extension,
    thumbnail.c.key,
)  # fmt: skip


def _listed(row: Sequence[Any], sorts: int = 0) -> ListedFrame:
    return ListedFrame(row[0], row[1], _sorted_ids(row[2]), tuple(row[3 : 3 + sorts]))


def _sorted_ids(text: str | None) -> str:
    if not text or "," not in text:
        return text or ""
    return ",".join(sorted(text.split(","), key=int))


async def list_frames(
    session: ReadSession, query: FrameQuery, sight: Sight, window: Window = EVER
) -> Listing:
    """Give a page of frames with one more row than the limit, where there is one.

    A search of the sky gives those of the ``window``, and tells how many these are unless there are none.
    """
    statement = page_statement(shape_of(query, sight))
    rows = await session.rows(statement, values_of(query, sight, window))
    frames = [_listed(row, len(query.order)) for row in rows]
    return Listing(frames, rows[0][-1] if query.places and rows else None)


async def detail(session: ReadSession, frame_id: int, query: FrameQuery, sight: Sight) -> ListedFrame | None:
    """Give one frame, if the caller may see it and the conditions hold for it."""
    statement = detail_statement(shape_of(query, sight))
    row = await session.row(statement, values_of(query, sight) | {"frame": frame_id})
    return _listed(row) if row else None


async def count(
    session: ReadSession, query: FrameQuery, sight: Sight, *, most: int | None, seconds: float
) -> int | None:
    """Count the frames that a search finds, up to ``most``; None when it takes longer than ``seconds``."""
    statement = count_statement(shape_of(query, sight), bounded=most is not None)
    return await session.value_within(statement, values_of(query, sight) | {"most_counted": most}, seconds)


async def count_within(session: ReadSession, query: FrameQuery, sight: Sight, window: Window) -> int:
    """Count the frames of a window that a search of the sky finds."""
    statement = count_statement(shape_of(query, sight), bounded=False)
    return (await session.rows(statement, values_of(query, sight, window)))[0][0]


async def nearby(session: ReadSession, query: FrameQuery, window: Window, most: int) -> int:
    """Count, up to ``most``, what the sky index has of a search's first place within a window."""
    values = place_values(query.places, window) | {"most_nearby": most}
    return (await session.rows(nearby_statement(), values))[0][0]


async def observed_between(session: ReadSession) -> tuple[datetime, datetime] | None:
    """Give the first and the last observation date."""
    first, last = (await session.rows(first_and_last, {}))[0]
    return (first, last) if first and last else None


async def headers_of(session: ReadSession, frame_id: int, sight: Sight) -> str | None:
    """Give a visible frame's headers as JSON text."""
    statement = (
        select(document.c.headers)
        .select_from(frame.join(document, document.c.frame_id == frame.c.id))
        .where(frame.c.id == frame_id, visible(sight))
    )
    return await session.scalar(statement)


async def is_visible(session: ReadSession, frame_id: int, sight: Sight) -> bool:
    """Tell whether the frame is there and the caller may see it."""
    found = select(frame.c.id).where(frame.c.id == frame_id, visible(sight))
    return await session.scalar(found) is not None


def frame_of(row: AnyRow, versions: Sequence[Version] = ()) -> Frame:
    """Make a frame of a row of ``FRAME_COLUMNS``."""
    return Frame(*row[: len(FRAME_COLUMNS)], versions=tuple(versions))


def version_of(row: AnyRow) -> Version:
    """Make a version of a row of its table."""
    values: dict[str, Any] = dict(zip((column.name for column in VERSION_COLUMNS), row, strict=False))
    values["state"] = FileState(values["state"])
    return Version(**values)


async def versions_of(session: ReadSession, frame_ids: Sequence[int]) -> dict[int, list[Version]]:
    """Give the versions of frames, newest first, by frame."""
    statement = (
        select(*VERSION_COLUMNS).where(version.c.frame_id.in_(frame_ids)).order_by(version.c.id.desc())
    )
    versions: dict[int, list[Version]] = {}
    for row in await session.all(statement):
        one = version_of(row)
        versions.setdefault(one.frame_id, []).append(one)
    return versions


async def frames_by_id(session: ReadSession, statement: AnySelect) -> list[Frame]:
    """Give the frames that ``statement`` (over FRAME_COLUMNS) finds, with their versions."""
    rows = await session.all(statement)
    versions = await versions_of(session, [row[0] for row in rows]) if rows else {}
    return [frame_of(row, versions.get(row[0], ())) for row in rows]


async def frames_related_to(session: ReadSession, frame_id: int, sight: Sight) -> list[Frame]:
    """Give the visible frames related to one, newest observation first."""
    statement = (
        select(*FRAME_COLUMNS)
        .select_from(frame.join(relation, relation.c.related_id == frame.c.id))
        .where(relation.c.frame_id == frame_id, visible(sight))
        .order_by(frame.c.observation_date.desc(), frame.c.id.desc())
    )
    return await frames_by_id(session, statement)


async def related_ids(session: ReadSession, frame_ids: Sequence[int], sight: Sight) -> dict[int, list[int]]:
    """Give the ids of visible frames related to each of ``frame_ids``."""
    statement = (
        select(relation.c.frame_id, relation.c.related_id)
        .select_from(relation.join(frame, frame.c.id == relation.c.related_id))
        .where(relation.c.frame_id.in_(frame_ids), visible(sight))
    )
    related: dict[int, list[int]] = {}
    for one, other in await session.all(statement):
        related.setdefault(one, []).append(other)
    return related


async def list_versions(
    session: ReadSession, md5: str | None, limit: int, offset: int
) -> tuple[list[tuple[Version, str]], int]:
    """Give a page of versions, newest first, each with its frame's basename; and how many there are."""
    wanted = true() if md5 is None else version.c.md5 == md5
    statement = (
        select(*VERSION_COLUMNS, frame.c.basename)
        .select_from(version.join(frame, frame.c.id == version.c.frame_id))
        .where(wanted)
        .order_by(version.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    rows = await session.all(statement)
    everything = select(func.count()).select_from(version).where(wanted)
    total = await _total(session, everything, len(rows), limit, offset)
    return [(version_of(row), row[-1]) for row in rows], total


async def version_by_id(session: ReadSession, version_id: int) -> tuple[Version, str] | None:
    """Give a version and its frame's basename."""
    statement = (
        select(*VERSION_COLUMNS, frame.c.basename)
        .select_from(version.join(frame, frame.c.id == version.c.frame_id))
        .where(version.c.id == version_id)
    )
    row = await session.first(statement)
    return (version_of(row), row[-1]) if row else None


async def thumbnails_of(session: ReadSession, frame_ids: Sequence[int]) -> dict[int, tuple[Thumbnail, ...]]:
    """Give the thumbnails of frames that the caller has been found to see, by frame."""
    statement = select(*THUMBNAIL_COLUMNS).where(thumbnail.c.frame_id.in_(frame_ids)).order_by(thumbnail.c.id)
    pictures: dict[int, tuple[Thumbnail, ...]] = {}
    for row in await session.all(statement):
        one = Thumbnail(*row)
        pictures[one.frame_id] = (*pictures.get(one.frame_id, ()), one)
    return pictures


async def list_thumbnails(
    session: ReadSession,
    conditions: Mapping[str, object],
    sight: Sight,
    *,
    limit: int,
    offset: int,
) -> tuple[list[Thumbnail], int]:
    """Give a page of the thumbnails of visible frames, newest first, and how many there are.

    ``conditions`` are equalities on ``size``, ``id`` or a column of the frame.
    """
    wanted = [visible(sight)]
    for name, value in conditions.items():
        table = thumbnail if name in ("size", "id") else frame
        wanted.append(table.c[name] == value)
    joined = thumbnail.join(frame, frame.c.id == thumbnail.c.frame_id)
    statement = select(*THUMBNAIL_COLUMNS).select_from(joined).where(*wanted).order_by(thumbnail.c.id.desc())
    rows = await session.all(statement.limit(limit).offset(offset))
    everything = select(func.count()).select_from(joined).where(*wanted)
    total = await _total(session, everything, len(rows), limit, offset)
    return [Thumbnail(*row) for row in rows], total


async def _total(session: ReadSession, everything: AnySelect, rows: int, limit: int, offset: int) -> int:
    """Count all rows of which a page shows some; a last page tells without asking the catalogue."""
    if rows < limit and (rows or not offset):
        return offset + rows
    return int(await session.scalar(everything) or 0)
