"""Background work of a process: who runs it, and how it is woken."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from entrepot.kernel.jobs.election import Election
from entrepot.kernel.jobs.job import Job
from entrepot.kernel.jobs.sweeps import sweep
from entrepot.kernel.jobs.wake_pipe import WakePipe, write_wake

# The engine and the broker's client take a third of a second to load: who only wakes does without them.
if TYPE_CHECKING:
    from entrepot.kernel.jobs.in_process import InProcess
    from entrepot.kernel.jobs.link import Link

__all__ = ["Jobs", "load_engine"]

SLICE_SECONDS = 300.0
DRAIN_ROUNDS = 1000

log = structlog.stdlib.get_logger(__name__)


def load_engine() -> None:
    """Load what runs jobs: before a process is forked, so that its children share it."""
    import_module("entrepot.kernel.jobs.in_process")


class Jobs:
    """The jobs of the modules, as one process sees them.

    Without a broker, one process of those on ``lock_folder`` is elected and runs them all; the others wake
    it through a pipe. With one, processes that consume share the messages, and one of them sweeps.
    ``broker_prefix`` names exchange and queues. Raises SettingsError for a bad ``broker_url``.
    """

    def __init__(
        self,
        *,
        broker_url: str,
        lock_folder: Path,
        sweep_seconds: float,
        concurrency: int = 4,
        broker_prefix: str = "entrepot",
        slice_seconds: float = SLICE_SECONDS,
        grace_seconds: float = 5.0,
    ) -> None:
        self.broker = _address(broker_url) if broker_url else ""
        """Host and port of the broker, to show; empty without one."""
        self._url = broker_url
        self._prefix = broker_prefix
        self._folder = lock_folder
        self._sweep_seconds = sweep_seconds
        self._concurrency = concurrency
        self._slice_seconds = slice_seconds
        self._grace = grace_seconds
        self._jobs: dict[str, Job] = {}
        self._link: Link | None = None
        self._pipe = WakePipe(lock_folder / "jobs.wake", self._woken)
        self._election = Election(lock_folder / "jobs.lock")
        self._elected = asyncio.Event()
        self._leading: asyncio.Task[None] | None = None

    def register(self, jobs: Iterable[Job]) -> None:
        """Add jobs, before the start."""
        for job in jobs:
            if job.name in self._jobs:
                raise ValueError(f"there are two jobs called {job.name}")
            self._jobs[job.name] = job

    async def start(self, *, consume: bool) -> None:
        """Begin; with ``consume`` this process runs jobs (without a broker: if elected), else it only wakes.

        Doesn't wait for the broker: one that is down is tried again until it answers.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._url:
            self._link = self._linked()
            self._link.start(consume=consume)
        if consume:
            elected = self._election.win()
            if elected:
                self._take_over()
            self._leading = asyncio.create_task(self._lead(elected=elected))
            self._leading.add_done_callback(_report)

    async def consuming(self) -> None:
        """Wait until this process takes jobs: until it is elected, or listens to the broker."""
        await (self._link.listening if self._link else self._elected).wait()

    async def stop(self) -> None:
        """Take no more jobs; give those that run a short grace, then cancel them and let others take over."""
        if self._leading:
            self._leading.cancel()
            await asyncio.gather(self._leading, return_exceptions=True)
        self._pipe.close()
        if "_here" in self.__dict__:
            await self._here.stop(self._grace)
        if self._link:
            await self._link.stop()
        self._elected.clear()
        self._election.release()

    def wake(self, name: str, ids: Sequence[int]) -> None:
        """Have a job look at these ids soon; call it after the commit.

        It neither waits nor raises. What gets lost on the way is found by the sweep.
        """
        if name not in self._jobs:
            log.error("there is no job of this name to wake", job=name, ids=ids)
        elif self._link:
            self._link.add(name, ids)
        elif self._elected.is_set():
            self._here.add(name, ids)
        else:
            write_wake(self._pipe.path, name, ids)

    async def drain(self) -> None:
        """Run in this process all that is due, until nothing is; what fails is tried once."""
        failed = self._here.failures = set[tuple[str, int]]()
        try:
            for _ in range(DRAIN_ROUNDS):
                await self._here.idle()
                if not await self._add_all_due(failed):
                    return
            log.error("draining the jobs comes to no end; some job leaves its rows due")
        finally:
            self._here.failures = None

    async def _add_all_due(self, failed: Collection[tuple[str, int]]) -> bool:
        found = False
        for job in self._jobs.values():
            ids = [number for number in await job.due() if (job.name, number) not in failed]
            self._here.add_due(job.name, ids)
            found = found or bool(ids)
        return found

    @cached_property
    def _here(self) -> InProcess:
        from entrepot.kernel.jobs.in_process import InProcess

        return InProcess(self._jobs, concurrency=self._concurrency, slice_seconds=self._slice_seconds)

    def _linked(self) -> Link:
        from entrepot.kernel.jobs.link import Link

        return Link(
            self._jobs,
            url=self._url,
            prefix=self._prefix,
            concurrency=self._concurrency,
            slice_seconds=self._slice_seconds,
            grace=self._grace,
        )

    async def _lead(self, *, elected: bool) -> None:
        if not elected:
            await self._election.won()
            self._take_over()
        await sweep(self._jobs, self._link or self._here, self._sweep_seconds)

    def _take_over(self) -> None:
        self._elected.set()
        if self._link is None:
            self._pipe.open()
            log.info("this process runs the jobs")
        else:
            log.info("this process sweeps for the workers")

    def _woken(self, name: str, ids: Sequence[int]) -> None:
        if name in self._jobs:
            self._here.add(name, ids)
        else:
            log.warning("a process of another version wakes a job that this one doesn't know", job=name)


def _address(url: str) -> str:
    from entrepot.kernel.jobs.rabbit import broker_address

    return broker_address(url)


def _report(leading: asyncio.Task[None]) -> None:
    if not leading.cancelled() and (error := leading.exception()):
        log.critical("the sweeps have ended by a fault", exc_info=error)
