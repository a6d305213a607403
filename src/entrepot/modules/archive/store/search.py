"""Reading frames: what a caller may see, conditions, order, pages and counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)  # fmt: skip

from entrepot.kernel.db import AnyRow, AnySelect, Double, ReadSession
from entrepot.modules.archive.models import (
    Condition,
    FileState,
    Frame,
    FrameQuery,
    ListedFrame,
    Sight,
    Thumbnail,
    Version,
)  # fmt: skip
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


def visible(sight: Sight, table: Any = frame) -> ColumnElement[bool]:
    """Tell which frames a caller may see: the one rule, asked by every door (contract §3.4)."""
    dated = table.c.observation_date.is_not(None)
    if sight.everything:
        return dated
    public = table.c.public_date < sight.now
    if not sight.projects:
        return and_(dated, public)
    return and_(dated, or_(public, table.c.proposal_id.in_(sorted(sight.projects))))


def _is_empty(column: ColumnElement[Any], _: object) -> ColumnElement[bool]:
    return column == ""


OPERATORS: Mapping[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "eq": lambda column, value: column == value,
    "ge": lambda column, value: column >= value,
    "le": lambda column, value: column <= value,
    "has": lambda column, value: column.contains(value, autoescape=True),
    "in": lambda column, value: column.in_(value),
    "not in": lambda column, value: column.not_in(value),
    "is empty": _is_empty,
}


def _holds(condition: Condition) -> ColumnElement[bool]:
    return OPERATORS[condition.operator](frame.c[condition.column], condition.value)


def _public(query: FrameQuery, sight: Sight) -> Iterable[ColumnElement[bool]]:
    if query.public is not False:
        return
    if sight.everything or not sight.projects:
        yield or_(frame.c.public_date.is_(None), frame.c.public_date >= sight.now)
    else:
        yield frame.c.proposal_id.in_(sorted(sight.projects))


def _matching(query: FrameQuery, sight: Sight, *, listed: bool) -> ColumnElement[bool]:
    if query.nothing:
        return false()
    return and_(
        visible(sight),
        *((frame.c.has_version.is_(true()),) if listed else ()),
        *(_holds(condition) for condition in query.conditions),
        *_public(query, sight),
    )


def _sort_key(name: str) -> ColumnElement[Any]:
    """Give what a column is sorted by; no value sorts as the largest, as PostgreSQL has it."""
    column = frame.c[name]
    return func.coalesce(column, literal(math.inf, Double)) if name == "exposure_time" else column


def _behind(query: FrameQuery, keys: Sequence[tuple[ColumnElement[Any], bool]]) -> ColumnElement[bool]:
    """Tell which rows come after the row ``query.after`` in the order ``keys``."""
    values = [literal(value, key.type) for (key, _), value in zip(keys, query.after or (), strict=True)]
    directions = {down for _, down in keys}
    if len(directions) == 1:
        here, there = tuple_(*(key for key, _ in keys)), tuple_(*values)
        return here < there if directions.pop() else here > there
    alternatives: list[ColumnElement[bool]] = []
    for position, ((key, down), value) in enumerate(zip(keys, values, strict=True)):
        same = [earlier == reached for (earlier, _), reached in zip(keys[:position], values, strict=False)]
        alternatives.append(and_(*same, key < value if down else key > value))
    return or_(*alternatives)


def _page(query: FrameQuery, sight: Sight) -> AnySelect:
    keys = [(_sort_key(name), down != query.backwards) for name, down in query.order]
    keys.append((frame.c.id, keys[-1][1]))
    matching = select(
        frame.c.id, *(key.label(f"sort_{number}") for number, (key, _) in enumerate(keys[:-1]))
    ).where(_matching(query, sight, listed=True))
    if query.after is not None:
        matching = matching.where(_behind(query, keys))
    matching = matching.order_by(*(key.desc() if down else key.asc() for key, down in keys))
    page = matching.limit(query.limit + 1).offset(query.offset or None).subquery("page")
    sorts = [column for column in page.c if column.name != "id"]
    ways = [down for _, down in keys]
    return (
        select(page.c.id, document.c.document, _related(sight, page.c.id), *sorts)
        .select_from(page.join(document, document.c.frame_id == page.c.id))
        .order_by(
            *(
                column.desc() if down else column.asc()
                for column, down in zip((*sorts, page.c.id), ways, strict=True)
            )
        )
    )


def _related(sight: Sight, frame_id: ColumnElement[int]) -> ColumnElement[str]:
    """Give the ids of related frames that the caller may see, as text between commas."""
    other = frame.alias("other")
    return (
        select(func.aggregate_strings(cast(relation.c.related_id, String), ","))
        .select_from(relation.join(other, other.c.id == relation.c.related_id))
        .where(relation.c.frame_id == frame_id, visible(sight, other))
        .scalar_subquery()
        .label("related")
    )


def _listed(row: AnyRow) -> ListedFrame:
    return ListedFrame(row[0], row[1], _sorted_ids(row[2]), tuple(row[3:]))


def _sorted_ids(text: str | None) -> str:
    if not text or "," not in text:
        return text or ""
    return ",".join(sorted(text.split(","), key=int))


async def list_frames(session: ReadSession, query: FrameQuery, sight: Sight) -> list[ListedFrame]:
    """Give a page of frames with one more row than the limit, where there is one."""
    return [_listed(row) for row in await session.all(_page(query, sight))]


async def detail(session: ReadSession, frame_id: int, query: FrameQuery, sight: Sight) -> ListedFrame | None:
    """Give one frame, if the caller may see it and the conditions hold for it."""
    statement = (
        select(frame.c.id, document.c.document, _related(sight, frame.c.id))
        .select_from(frame.join(document, document.c.frame_id == frame.c.id))
        .where(frame.c.id == frame_id, _matching(query, sight, listed=False))
    )
    row = await session.first(statement)
    return _listed(row) if row else None


async def count(
    session: ReadSession, query: FrameQuery, sight: Sight, *, most: int | None, seconds: float
) -> int | None:
    """Count the frames that a search finds, up to ``most``; None when it takes longer than ``seconds``."""
    found = select(literal(1)).select_from(frame).where(_matching(query, sight, listed=True))
    if most is not None:
        found = found.limit(most)
    return await session.scalar_within(select(func.count()).select_from(found.subquery()), seconds)


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
