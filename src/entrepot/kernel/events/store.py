"""Writing event rows, and deleting them when they are old."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select

from entrepot.kernel.db import Prepared, ReadSession, WriteSession, named
from entrepot.kernel.events.tables import events

__all__ = ["delete_events", "oldest_before", "record"]


_new_event: Prepared[int] = Prepared(
    lambda _: (
        insert(events)
        .values({name: named(name, events.c[name].type) for name in ("kind", "body", "created")})
        .returning(events.c.id)
    )
)


async def record(session: WriteSession, kind: str, body: Mapping[str, object], *, now: datetime) -> None:
    """Write an event in the caller's transaction, so that it is there exactly if the change is.

    Raises ValueError or TypeError for a body that JSON can't carry.
    """
    text = json.dumps(dict(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    await session.rows(_new_event, {"kind": kind, "body": text, "created": now})


async def oldest_before(session: ReadSession, moment: datetime, limit: int) -> list[int]:
    """Give the ids of the oldest events, as far as they are from before ``moment``.

    Ids grow with time, so only the first ``limit`` rows are looked at.
    """
    oldest = await session.all(select(events.c.id, events.c.created).order_by(events.c.id).limit(limit))
    return [row.id for row in oldest if row.created < moment]


async def delete_events(session: WriteSession, ids: Sequence[int]) -> None:
    """Delete events; those that are gone already don't matter."""
    await session.execute(delete(events).where(events.c.id.in_(ids)))
