"""Writing event rows, and deleting them when they are old."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select

from entrepot.kernel.db import ReadSession, WriteSession, insert_rows
from entrepot.kernel.events.tables import events

__all__ = ["delete_events", "oldest_before", "record", "record_all"]


_new_events = insert_rows(events, only=("kind", "body", "created"), compact=True)


async def record(session: WriteSession, kind: str, body: Mapping[str, object], *, now: datetime) -> None:
    """Write an event in the caller's transaction, so that it is there exactly if the change is.

    Raises ValueError or TypeError for a body that JSON can't carry.
    """
    await record_all(session, kind, [body], now=now)


async def record_all(
    session: WriteSession, kind: str, bodies: Sequence[Mapping[str, object]], *, now: datetime
) -> None:
    """Write an event of one kind for each body, as ``record`` does."""

    def row(body: Mapping[str, object]) -> dict[str, object]:
        text = json.dumps(dict(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return {"kind": kind, "body": text, "created": now}

    await session.write(_new_events, bodies, row)


async def oldest_before(session: ReadSession, moment: datetime, limit: int) -> list[int]:
    """Give the ids of the oldest events, as far as they are from before ``moment``.

    Ids grow with time, so only the first ``limit`` rows are looked at.
    """
    oldest = await session.all(select(events.c.id, events.c.created).order_by(events.c.id).limit(limit))
    return [row.id for row in oldest if row.created < moment]


async def delete_events(session: WriteSession, ids: Sequence[int]) -> None:
    """Delete events; those that are gone already don't matter."""
    await session.execute(delete(events).where(events.c.id.in_(ids)))
