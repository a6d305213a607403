"""Writing frames, versions, relations and thumbnails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import String, literal, literal_column, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import TypedReturnsRows

from entrepot.kernel.db import AnyRow, Prepared, WriteSession, named, next_id
from entrepot.modules.archive.folding import fold
from entrepot.modules.archive.models import Frame, NewVersion, PostedThumbnail, Thumbnail, Version
from entrepot.modules.archive.store.search import (
    FRAME_COLUMNS,
    THUMBNAIL_COLUMNS,
    VERSION_COLUMNS,
    frame_of,
    versions_of,
)
from entrepot.modules.archive.tables import document, frame, relation, thumbnail, version

__all__ = [
    "Known", "add_relations", "add_versions", "insert_frame", "insert_placeholders", "known", "read_frame",
    "related_to", "save_document", "save_thumbnail", "update_frame",
]  # fmt: skip


@dataclass(slots=True)
class Known:
    """What the catalogue has of the names, sums and keys that a post brings, and the ids to give next."""

    frames: dict[str, int] = field(default_factory=dict[str, int])
    keys: set[str] = field(default_factory=set[str])
    md5s: set[str] = field(default_factory=set[str])
    frame_id: int = 0
    version_ids: list[int] = field(default_factory=list[int])


def _part(kind: str, number: Any, name: Any) -> Any:
    return select(literal(kind, String()).label("kind"), number.label("number"), name.label("name"))


@lru_cache(maxsize=64)
def _known(names: int, versions: int) -> Prepared[*tuple[Any, ...]]:
    nothing = literal("", String())
    wanted = [named(f"name_{place}", String()) for place in range(names)]
    parts = [
        _part("frame", frame.c.id, frame.c.basename).where(frame.c.basename.in_(wanted)),
        _part("next frame", next_id(frame.c.id), nothing),
    ]
    for ahead in range(versions):
        key, md5 = named(f"key_{ahead}", String()), named(f"md5_{ahead}", String())
        parts += [
            _part("key", version.c.id, version.c.key).where(version.c.key == key),
            _part("md5", version.c.id, version.c.md5).where(version.c.md5 == md5),
            _part("next version", next_id(version.c.id, ahead), nothing),
        ]
    statement: TypedReturnsRows[*tuple[Any, ...]] = union_all(*parts)
    return Prepared(lambda _: statement)


async def known(session: WriteSession, basenames: Sequence[str], versions: Sequence[NewVersion]) -> Known:
    """Look up, in one statement, what a post meets in the catalogue."""
    found = Known()
    # The last name is repeated up to a power of two, so that there are few statements.
    most = 1 << (len(basenames) - 1).bit_length()
    names = [*basenames, *(basenames[-1] for _ in range(most - len(basenames)))]
    values: dict[str, object] = {f"name_{place}": name for place, name in enumerate(names)}
    for ahead, new in enumerate(versions):
        values |= {f"key_{ahead}": new.key, f"md5_{ahead}": new.md5}
    for kind, number, name in await session.rows(_known(len(names), len(versions)), values):
        if kind == "frame":
            found.frames[name] = number
        elif kind == "key":
            found.keys.add(name)
        elif kind == "md5":
            found.md5s.add(name)
        elif kind == "next frame":
            found.frame_id = number
        else:
            found.version_ids.append(number)
    return found


def _insert_new(session: WriteSession, table: Any) -> Any:
    """Give an INSERT that passes over rows which are there already."""
    maker: Any = postgresql.insert if session.dialect == "postgresql" else sqlite.insert
    return maker(table).on_conflict_do_nothing()


def _columns(one: Frame, now: datetime) -> dict[str, object]:
    from_frame = {column.name: getattr(one, column.name) for column in FRAME_COLUMNS}
    return from_frame | _derived(one) | {"modified": now}


def _derived(one: Frame) -> dict[str, object]:
    return {
        "basename_lower": one.basename.lower(),
        "target_lower": one.target_name.lower(),
        "target_folded": fold(one.target_name).lower(),
        "has_version": bool(one.versions),
    }


async def insert_placeholders(
    session: WriteSession, basenames: Iterable[str], now: datetime
) -> dict[str, int]:
    """Insert a row for each frame that is named but not there yet; give ids by basename.

    They go in the order of their names, so that two posts that name the same frames don't wait for each
    other in a circle. What another writer has just inserted is not in the answer.
    """
    rows = [_columns(Frame(id=0, basename=name), now) | {"created": now} for name in sorted(basenames)]
    for row in rows:
        del row["id"]
    statement = _insert_new(session, frame).values(rows).returning(frame.c.basename, frame.c.id)
    made: Sequence[AnyRow] = (await session.execute(statement)).all()
    return {row[0]: row[1] for row in made}


def _insert(dialect: str, table: Any) -> Any:
    """Give an INSERT of one row, each column's value under its name."""
    maker: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return maker(table).values({column.name: named(column.name, column.type) for column in table.c})


_new_frame: Prepared[int] = Prepared(
    lambda dialect: _insert(dialect, frame).on_conflict_do_nothing().returning(frame.c.id)
)
_new_version: Prepared[int] = Prepared(lambda dialect: _insert(dialect, version).returning(version.c.id))
_new_document: Prepared[int] = Prepared(
    lambda dialect: (
        _insert(dialect, document)
        .on_conflict_do_update(
            index_elements=["frame_id"],
            set_={name: literal_column(f"excluded.{name}") for name in ("document", "headers")},
        )
        .returning(document.c.frame_id)
    )
)


async def insert_frame(session: WriteSession, new: Frame, now: datetime) -> bool:
    """Insert a frame under the id it brings; False when its basename was taken meanwhile."""
    values = _columns(new, now) | {"created": now}
    return await session.row(_new_frame, values) is not None


async def update_frame(session: WriteSession, changed: Frame, now: datetime) -> bool:
    """Write a frame whose revision must still be the one that was read; False when it isn't."""
    values = _columns(changed, now) | {"revision": changed.revision + 1}
    del values["id"]
    statement = (
        update(frame).where(frame.c.id == changed.id, frame.c.revision == changed.revision).values(**values)
    )
    return (await session.execute(statement)).rowcount == 1


async def read_frame(session: WriteSession, frame_id: int) -> Frame | None:
    """Give a frame with its versions, whoever may see it; nobody else changes it until the commit."""
    statement = select(*FRAME_COLUMNS).where(frame.c.id == frame_id).with_for_update(key_share=True)
    row = await session.first(statement)
    if row is None:
        return None
    return frame_of(row, (await versions_of(session, [frame_id])).get(frame_id, ()))


async def add_versions(session: WriteSession, versions: Sequence[Version]) -> None:
    """Insert versions under the ids they bring; raises Duplicate for a key or sum that is taken."""
    for one in versions:
        await session.rows(_new_version, _version_values(one))


def _version_values(one: Version) -> dict[str, object]:
    values: dict[str, object] = {column.name: getattr(one, column.name) for column in VERSION_COLUMNS}
    return {**values, "lease": None}


async def save_document(session: WriteSession, frame_id: int, text: str, headers: str) -> None:
    """Write a frame's document and headers."""
    await session.rows(_new_document, {"frame_id": frame_id, "document": text, "headers": headers})


async def add_relations(session: WriteSession, frame_id: int, others: Iterable[int]) -> None:
    """Relate a frame to others, in both directions; what is related already stays."""
    pairs = sorted({pair for other in others for pair in ((frame_id, other), (other, frame_id))})
    rows = [{"frame_id": one, "related_id": other} for one, other in pairs]
    await session.execute(_insert_new(session, relation).values(rows))


async def related_to(session: WriteSession, frame_id: int) -> list[int]:
    """Give the ids of all frames related to one, placeholders too."""
    statement = select(relation.c.related_id).where(relation.c.frame_id == frame_id)
    return [row[0] for row in await session.all(statement)]


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
