"""What was filed under idempotency keys: the lines of each batch, by their digests, and the results."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from entrepot.kernel.db import ReadSession, WriteSession
from entrepot.modules.archive.tables import bulk

__all__ = ["Batch", "add_batch", "batch_at", "delete_batches", "oldest_before", "save_results"]

DIGEST = 64
"""Characters of a SHA-256 in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that were filed together: their digests in order, and the text of the results."""

    digests: tuple[str, ...]
    packed: bytes

    def results(self) -> str:
        """Unpack the results; takes a millisecond or two."""
        return zlib.decompress(self.packed).decode()


def pack(results: str) -> bytes:
    """Pack results; takes a few milliseconds."""
    return zlib.compress(results.encode(), level=1)


async def batch_at(session: ReadSession, user_id: int, key: str, first_line: int) -> Batch | None:
    """Give the batch that a user filed under a key and that begins at a line."""
    statement = select(bulk.c.digests, bulk.c.results).where(
        bulk.c.user_id == user_id, bulk.c.key == key, bulk.c.first_line == first_line
    )
    row = await session.first(statement)
    if row is None:
        return None
    digests: str = row[0]
    return Batch(tuple(digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST)), row[1])


async def add_batch(
    session: WriteSession, user_id: int, key: str, first_line: int, digests: Sequence[str], now: datetime
) -> int:
    """Claim lines under a key and give the batch's id; raises Duplicate if another request has them.

    One that another request is just filing is waited for.
    """
    values: dict[str, object] = {
        "user_id": user_id,
        "key": key,
        "first_line": first_line,
        "digests": "".join(digests),
        "results": b"",
        "created": now,
    }
    return (await session.execute(insert(bulk).values(values).returning(bulk.c.id))).scalar_one()


async def save_results(session: WriteSession, batch_id: int, packed: bytes) -> None:
    """Write what became of a batch's lines."""
    await session.execute(update(bulk).where(bulk.c.id == batch_id).values(results=packed))


async def oldest_before(session: ReadSession, moment: datetime, limit: int) -> list[int]:
    """Give the ids of the oldest batches, as far as they are from before ``moment``.

    Ids grow with time, so only the first ``limit`` rows are looked at.
    """
    oldest = await session.all(select(bulk.c.id, bulk.c.created).order_by(bulk.c.id).limit(limit))
    return [row[0] for row in oldest if row[1] < moment]


async def delete_batches(session: WriteSession, ids: Sequence[int]) -> None:
    """Delete batches; those that are gone already don't matter."""
    await session.execute(delete(bulk).where(bulk.c.id.in_(ids)))
