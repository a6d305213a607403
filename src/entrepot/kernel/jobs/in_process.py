"""Jobs run inside this process, through taskiq's InMemoryBroker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context
from functools import partial
from typing import Any

from taskiq import InMemoryBroker
from taskiq.result_backends.dummy import DummyResultBackend

from entrepot.kernel.jobs.job import Job, Waiting
from entrepot.kernel.jobs.slices import SliceTask, add_task, count_outcomes

__all__ = ["InProcess"]


class InProcess:
    """Runs a bounded number of slices at once; wake-ups that wait are put together."""

    def __init__(self, jobs: Mapping[str, Job], *, concurrency: int, slice_seconds: float) -> None:
        self._jobs = jobs
        self._concurrency = concurrency
        self._slice_seconds = slice_seconds
        self._broker = InMemoryBroker(max_async_tasks=concurrency, await_inplace=True)
        self._broker.with_result_backend(DummyResultBackend[Any]())
        count_outcomes(self._broker, self._note_failure)
        self._tasks: dict[str, SliceTask] = {}
        self._waiting = Waiting(jobs)
        self._busy: dict[str, set[int]] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._slice_ended = asyncio.Event()
        self._stopped = False
        self.failures: set[tuple[str, int]] | None = None
        """Where to note jobs and ids of runs that raised, for who wants to know."""

    def add(self, name: str, ids: Iterable[int]) -> None:
        """Run a job for these ids as soon as there is room; those that are running run once more."""
        if not self._stopped:
            self._waiting.add(name, ids)
            self._fill()

    def add_due(self, name: str, ids: Iterable[int]) -> None:
        """Run a job for what a sweep found, but for the ids that are running."""
        busy = self._busy.get(name, ())
        self.add(name, [number for number in ids if number not in busy])

    async def room(self, name: str) -> None:
        """Wait until no ids wait for a job."""
        while self._waiting.of(name):
            await self._slice_end()

    async def idle(self) -> None:
        """Wait until nothing waits and nothing runs."""
        while self._running or self._waiting:
            await self._slice_end()

    async def stop(self, grace: float) -> None:
        """Take no more; give what runs ``grace`` seconds to end, then cancel it."""
        self._stopped = True
        self._waiting = Waiting(self._jobs)
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._broker.shutdown()

    def _fill(self) -> None:
        while not self._stopped and len(self._running) < self._concurrency:
            taken = self._waiting.take(self._busy)
            if taken is None:
                return
            name, ids = taken
            self._busy.setdefault(name, set()).update(ids)
            # A new context: the request that woke the job has no part in it.
            slice_ = asyncio.create_task(self._run(name, ids), context=Context())
            self._running.add(slice_)
            slice_.add_done_callback(partial(self._ended, name, ids))

    async def _run(self, name: str, ids: list[int]) -> None:
        if name not in self._tasks:
            self._tasks[name] = add_task(self._broker, self._jobs[name], seconds=self._slice_seconds)
        await self._tasks[name].kiq(ids)

    def _ended(self, name: str, ids: Sequence[int], slice_: asyncio.Task[Any]) -> None:
        self._running.discard(slice_)
        self._busy[name].difference_update(ids)
        self._slice_ended.set()
        self._fill()

    async def _slice_end(self) -> None:
        self._slice_ended.clear()
        await self._slice_ended.wait()

    def _note_failure(self, name: str, ids: Sequence[int]) -> None:
        if self.failures is not None:
            self.failures.update((name, number) for number in ids)
