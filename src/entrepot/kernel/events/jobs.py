"""The job that deletes old events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from entrepot.kernel.db import Database, WriteSession
from entrepot.kernel.events.store import delete_events, oldest_before
from entrepot.kernel.jobs import Job

__all__ = ["prune_job"]

HOUR = 3600.0
FOUND = 1000
BATCH = 500


def prune_job(database: Database, keep_days: int) -> Job:
    """Make the job that deletes events older than ``keep_days``, hourly and in batches."""

    async def due() -> Sequence[int]:
        async with database.read() as session:
            return await oldest_before(session, datetime.now(UTC) - timedelta(days=keep_days), FOUND)

    async def run(ids: Sequence[int]) -> None:
        async def work(session: WriteSession) -> None:
            await delete_events(session, ids)

        await database.transact(work)

    return Job("kernel.prune-events", run, due, every=HOUR, batch=BATCH)
