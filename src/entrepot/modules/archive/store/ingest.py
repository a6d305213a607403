"""Writing frames, versions, relations and thumbnails: any number of each by one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import String, delete, exists, func, literal, literal_column, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import TypedReturnsRows

from entrepot.kernel.db import (
    AnySelect,
    Id,
    Prepared,
    RowSource,
    WriteRows,
    WriteSession,
    among,
    insert_rows,
    named,
    next_id,
    values_among,
)  # fmt: skip
from entrepot.modules.archive.folding import fold
from entrepot.modules.archive.models import Frame, PostedThumbnail, Thumbnail, Version
from entrepot.modules.archive.store.search import (
    FRAME_COLUMNS,
    THUMBNAIL_COLUMNS,
    VERSION_COLUMNS,
    frame_of,
    version_of,
)
from entrepot.modules.archive.store.sky import piece_rows, sky_columns
from entrepot.modules.archive.tables import document, frame, piece, relation, thumbnail, version

__all__ = [
    "Document", "Known", "add_relations", "add_versions", "insert_frames", "known", "read_frames",
    "related_to", "save_documents", "save_pieces", "save_thumbnail", "update_frames",
]  # fmt: skip


@dataclass(slots=True)
class Known:
    """What the catalogue has of the names, keys and sums that posts bring, and the ids to give next."""

    frames: dict[str, int] = field(default_factory=dict[str, int])
    keys: set[str] = field(default_factory=set[str])
    md5s: set[str] = field(default_factory=set[str])
    frame_ids: Sequence[int] = ()
    """Rising; as many as there are names that no frame has."""
    version_ids: Sequence[int] = ()
    """Rising; as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Document:
    """A frame's JSON as lists give it, and its headers as JSON."""

    frame_id: int
    text: str
    headers: str


def _part(kind: str, number: Any, name: Any) -> Any:
    return select(literal(kind, String()).label("kind"), number.label("number"), name.label("name"))


def _known_statement(dialect: str) -> TypedReturnsRows[*tuple[Any, ...]]:
    nothing = literal("", String())
    next_frame = _part("next frame", next_id(frame.c.id), nothing)
    next_version = _part("next version", next_id(version.c.id), nothing)
    if dialect == "postgresql":
        new = values_among(dialect, "names", frame.c.basename.type)
        is_there = exists().where(frame.c.basename == new.c.value)
        next_frame = next_frame.select_from(new).where(~is_there)
        next_version = next_version.select_from(func.generate_series(1, named("count", Id())))
    return union_all(
        _part("frame", frame.c.id, frame.c.basename).where(among(dialect, frame.c.basename, "names")),
        _part("key", version.c.id, version.c.key).where(among(dialect, version.c.key, "keys")),
        _part("md5", version.c.id, version.c.md5).where(among(dialect, version.c.md5, "md5s")),
        next_frame,
        next_version,
    )


_known: Prepared[*tuple[Any, ...]] = Prepared(_known_statement)


async def known(
    session: WriteSession, basenames: Iterable[str], keys: Sequence[str], md5s: Sequence[str]
) -> Known:
    """Look up, in one statement, what posts meet in the catalogue; there are as many keys as new versions."""
    names = list(dict.fromkeys(basenames))
    values = {"names": names, "keys": keys, "md5s": md5s, "count": len(keys)}
    found = Known()
    numbers: dict[str, list[int]] = {"next frame": [], "next version": []}
    for kind, number, name in await session.rows(_known, values):
        if kind == "frame":
            found.frames[name] = number
        elif kind == "key":
            found.keys.add(name)
        elif kind == "md5":
            found.md5s.add(name)
        else:
            numbers[kind].append(number)
    found.frame_ids = _numbers(session, numbers["next frame"], len(names) - len(found.frames))
    found.version_ids = _numbers(session, numbers["next version"], len(keys))
    return found


def _numbers(session: WriteSession, drawn: list[int], count: int) -> Sequence[int]:
    """Give the numbers that were drawn; SQLite gives the first, and nobody else draws meanwhile."""
    return sorted(drawn) if session.dialect == "postgresql" else range(drawn[0], drawn[0] + count)


def _columns(one: Frame, now: datetime) -> dict[str, object]:
    from_frame = {column.name: getattr(one, column.name) for column in FRAME_COLUMNS}
    return from_frame | _derived(one) | {"modified": now}


def _derived(one: Frame) -> dict[str, object]:
    return {
        "basename_lower": one.basename.lower(),
        "target_lower": one.target_name.lower(),
        "target_folded": fold(one.target_name).lower(),
        "has_version": bool(one.versions),
        **sky_columns(one),
    }


def _passing_over(insert: Any) -> Any:
    """Let an INSERT pass over rows which are there already."""
    return insert.on_conflict_do_nothing()


_new_frames = insert_rows(frame, conflict=_passing_over)
_placeholders = insert_rows(
    frame,
    only=("id", "basename", "basename_lower", "created", "modified"),
    conflict=_passing_over,
    compact=True,
)


async def insert_frames(
    session: WriteSession, frames: Sequence[Frame], placeholders: Sequence[Frame], now: datetime
) -> bool:
    """Insert frames under the ids they bring; False when a basename was taken meanwhile.

    In PostgreSQL all of them go in the order of their names: two posts that name the same frames would else
    wait for each other in a circle.
    """

    def row(new: Frame) -> Mapping[str, object]:
        return _columns(new, now) | {"created": now}

    if session.dialect == "postgresql":
        everything = sorted((*frames, *placeholders), key=lambda new: new.basename)
        return await session.write(_new_frames, everything, row) == len(everything)
    written = await session.write(_new_frames, frames, row)
    return written + await session.write(_placeholders, placeholders, row) == len(frames) + len(placeholders)


def _update(_: str, row: RowSource) -> Any:
    kept = ("id", "created", "revision")
    values = {name: value for name, value in row.columns.items() if name in frame.c and name not in kept}
    return (
        update(frame)
        .where(frame.c.id == row.columns["frame_id"], frame.c.revision == row.columns["revision_read"])
        .values({**values, "revision": row.columns["revision_read"] + 1})
    )


_changed_frames = WriteRows(
    {one.name: one.type for one in frame.c if one.name not in ("id", "created", "revision")}
    | {"frame_id": Id(), "revision_read": frame.c.revision.type},
    _update,
    frame.c.id,
)


async def update_frames(session: WriteSession, changed: Sequence[Frame], now: datetime) -> bool:
    """Write frames whose revisions must still be those that were read; False when one isn't."""

    def row(one: Frame) -> Mapping[str, object]:
        return _columns(one, now) | {"frame_id": one.id, "revision_read": one.revision}

    return await session.write(_changed_frames, changed, row) == len(changed)


@lru_cache(maxsize=2)
def _frames_of(dialect: str) -> AnySelect:
    # In the order of their ids, so that two writers don't wait for each other in a circle.
    return (
        select(*FRAME_COLUMNS)
        .where(among(dialect, frame.c.id, "frames"))
        .order_by(frame.c.id)
        .with_for_update(key_share=True)
    )


@lru_cache(maxsize=2)
def _versions_of(dialect: str) -> AnySelect:
    return (
        select(*VERSION_COLUMNS)
        .where(among(dialect, version.c.frame_id, "frames"))
        .order_by(version.c.id.desc())
    )


async def read_frames(session: WriteSession, frame_ids: Sequence[int]) -> dict[int, Frame]:
    """Give frames with their versions, whoever may see them; nobody else changes them until the commit."""
    if not frame_ids:
        return {}
    values = {"frames": list(frame_ids)}
    rows = await session.all(_frames_of(session.dialect), values)
    versions: dict[int, list[Version]] = {row[0]: [] for row in rows}
    for row in await session.all(_versions_of(session.dialect), values):
        one = version_of(row)
        versions[one.frame_id].append(one)
    return {row[0]: frame_of(row, versions[row[0]]) for row in rows}


@lru_cache(maxsize=2)
def _related_to(dialect: str) -> AnySelect:
    return select(relation.c.frame_id, relation.c.related_id).where(
        among(dialect, relation.c.frame_id, "frames")
    )


async def related_to(session: WriteSession, frame_ids: Sequence[int]) -> dict[int, set[int]]:
    """Give the ids of all frames related to each of these, placeholders too."""
    related: dict[int, set[int]] = {one: set() for one in frame_ids}
    if related:
        for one, other in await session.all(_related_to(session.dialect), {"frames": list(related)}):
            related[one].add(other)
    return related


_new_pieces = insert_rows(piece)


async def save_pieces(session: WriteSession, new: Sequence[Frame], changed: Sequence[Frame]) -> None:
    """Write the pieces of those footprints that have several; changed frames lose the pieces they had."""
    if changed:
        await session.execute(delete(piece).where(piece.c.frame_id.in_([one.id for one in changed])))
    rows = [row for one in (*new, *changed) for row in piece_rows(one.id, one.cover)]
    await session.write(_new_pieces, rows, lambda row: row)


_new_versions = insert_rows(version)


async def add_versions(session: WriteSession, versions: Sequence[Version]) -> None:
    """Insert versions under the ids they bring; raises Duplicate for a key or sum that is taken."""
    # In one order, so that two writers with the same files don't wait for each other in a circle.
    await session.write(_new_versions, sorted(versions, key=lambda one: one.md5), _version_values)


def _version_values(one: Version) -> dict[str, object]:
    values: dict[str, object] = {column.name: getattr(one, column.name) for column in VERSION_COLUMNS}
    return {**values, "lease": None}


_documents = insert_rows(
    document,
    conflict=lambda insert: insert.on_conflict_do_update(
        index_elements=["frame_id"],
        set_={name: literal_column(f"excluded.{name}") for name in ("document", "headers")},
    ),
)


async def save_documents(session: WriteSession, documents: Sequence[Document]) -> None:
    """Write frames' documents and headers, over those that they had."""

    def row(one: Document) -> Mapping[str, object]:
        return {"frame_id": one.frame_id, "document": one.text, "headers": one.headers}

    await session.write(_documents, documents, row)


_relations = insert_rows(relation, conflict=_passing_over, compact=True)


async def add_relations(session: WriteSession, pairs: Iterable[tuple[int, int]]) -> None:
    """Relate frames to each other, in both directions; what is related already stays."""
    both = sorted({pair for one, other in pairs for pair in ((one, other), (other, one))})

    def row(pair: tuple[int, int]) -> Mapping[str, object]:
        return {"frame_id": pair[0], "related_id": pair[1]}

    await session.write(_relations, both, row)


async def save_thumbnail(
    session: WriteSession,
    posted: PostedThumbnail,
    frame_id: int,
    path: str,
    store_version: str | None,
    now: datetime,
) -> Thumbnail:
    """Insert a thumbnail, or replace the one of the same basename."""
    maker: Any = postgresql.insert if session.dialect == "postgresql" else sqlite.insert
    values: dict[str, object] = {
        "frame_id": frame_id,
        "size": posted.size,
        "basename": posted.frame.basename,
        "extension": posted.file.extension,
        "key": posted.file.key,
        "md5": posted.file.md5,
        "path": path,
        "store_version": store_version,
        "created": now,
        "bytes": None,
        "etag": None,
    }
    statement = (
        maker(thumbnail)
        .values(**values)
        .on_conflict_do_update(index_elements=["basename"], set_=values)
        .returning(*THUMBNAIL_COLUMNS)
    )
    return Thumbnail(*(await session.execute(statement)).one())
