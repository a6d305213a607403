"""Looking for work that no wake-up brought: lost messages, failures, what a dead process left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import Protocol

import structlog

from entrepot.kernel.jobs.job import Job

__all__ = ["Way", "sweep"]

SEARCH_LIMIT = 60.0
"""Seconds that the search for due ids may take."""

log = structlog.stdlib.get_logger(__name__)


class Way(Protocol):
    """Where the ids go that a sweep finds."""

    def add_due(self, name: str, ids: Iterable[int]) -> None:
        """Have a job run for these ids."""
        ...

    async def room(self, name: str) -> None:
        """Wait until what was found earlier is on its way, so that a sweep doesn't pile up."""
        ...


async def sweep(jobs: Mapping[str, Job], way: Way, seconds: float) -> None:
    """Look for each job's due ids every ``seconds`` or as the job says, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for job in jobs.values():
            group.create_task(_sweep(job, way, seconds if job.every is None else job.every))


async def _sweep(job: Job, way: Way, seconds: float) -> None:
    """Sweep on at once while there is more, but an id that comes again has to wait for the next round."""
    known: set[int] = set()
    while True:
        await way.room(job.name)
        found = await _due(job)
        fresh = [number for number in found if number not in known]
        way.add_due(job.name, fresh)
        known = set(found)
        if not fresh:
            await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - only spreads the load
            known = set()


async def _due(job: Job) -> list[int]:
    # A failed search counts as an empty one: the next is due anyway.
    (found,) = await asyncio.gather(asyncio.wait_for(job.due(), SEARCH_LIMIT), return_exceptions=True)
    if isinstance(found, BaseException):
        log.error("the sweep for a job failed", job=job.name, exc_info=found)
        return []
    return list(found)
