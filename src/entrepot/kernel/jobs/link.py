"""The link to the workers over RabbitMQ: sends wake-ups, takes them where jobs run, survives down-times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from taskiq.acks import AcknowledgeType
from taskiq.exceptions import SendTaskError
from taskiq.receiver import Receiver

from entrepot.kernel.jobs.job import Job, Waiting
from entrepot.kernel.jobs.rabbit import BROKER_FAILURES, RabbitBroker, broker_address
from entrepot.kernel.jobs.slices import SliceTask, add_task, count_outcomes

__all__ = ["Link"]

START_LIMIT = 20.0
"""Seconds for connecting and declaring; each call in it has its own, shorter limit."""
SEND_LIMIT = 5.0
CLOSE_LIMIT = 5.0
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to connect; the last one repeats."""
POLL = 1.0
"""Seconds between looks at the queue's length, and between attempts to send."""

log = structlog.stdlib.get_logger(__name__)


class Link:
    """Keeps a connection while it is wanted; wake-ups that can't be sent wait, up to a bound."""

    def __init__(
        self,
        jobs: Mapping[str, Job],
        *,
        url: str,
        prefix: str,
        concurrency: int,
        slice_seconds: float,
        grace: float,
    ) -> None:
        self.address = broker_address(url)
        self.listening = asyncio.Event()
        """Set while this process takes messages."""
        self._jobs = jobs
        self._url = url
        self._prefix = prefix
        self._concurrency = concurrency
        self._slice_seconds = slice_seconds
        self._grace = grace
        self._waiting = Waiting(jobs)
        self._woken = asyncio.Event()
        self._sent = asyncio.Event()
        self._up = asyncio.Event()
        self._stopping = asyncio.Event()
        self._broker: RabbitBroker | None = None
        self._tasks: dict[str, SliceTask] = {}
        self._slices: set[asyncio.Task[Any]] = set()
        self._free = asyncio.Semaphore(concurrency)
        self._keeping: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._down_told = False

    def start(self, *, consume: bool) -> None:
        """Begin to connect, in the background."""
        self._keeping = asyncio.create_task(self._keep(consume=consume))
        self._sending = asyncio.create_task(self._send())

    async def stop(self) -> None:
        """Take no more; let what runs and what waits to be sent end shortly, then close."""
        self._stopping.set()
        if self._keeping:
            await asyncio.wait({self._keeping}, timeout=2 * self._grace + CLOSE_LIMIT)
        for task in (self._keeping, self._sending):
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._finish_slices()

    def add(self, name: str, ids: Iterable[int]) -> None:
        """Wake a worker for these ids."""
        self._waiting.add(name, ids)
        self._sent.clear()
        self._woken.set()

    add_due = add

    async def room(self, name: str) -> None:
        """Wait until the workers have taken all messages, whichever job they are for."""
        while self._waiting or not await self._is_drained():  # noqa: ASYNC110 - only the broker knows
            await asyncio.sleep(POLL)

    async def _is_drained(self) -> bool:
        if self._broker is None:
            return False
        try:
            async with asyncio.timeout(SEND_LIMIT):
                return await self._broker.backlog() == 0
        except BROKER_FAILURES:
            return False

    async def _keep(self, *, consume: bool) -> None:
        """Connect, serve until the connection is lost, and connect again, until the link stops."""
        attempt = 0
        while True:
            broker = self._make(consume=consume)
            try:
                if await self._connect(broker):
                    attempt = 0
                    await self._serve(broker, consume=consume)
            finally:
                await self._close(broker)
            if await self._stops_within(PAUSES[min(attempt, len(PAUSES) - 1)]):
                return
            attempt += 1

    async def _stops_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    def _make(self, *, consume: bool) -> RabbitBroker:
        broker = RabbitBroker(
            self._url, prefix=self._prefix, prefetch=self._concurrency, listening=self.listening.set
        )
        broker.is_worker_process = consume
        count_outcomes(broker)
        for job in self._jobs.values():
            self._tasks[job.name] = add_task(broker, job, seconds=self._slice_seconds, around=self._slice)
        return broker

    async def _connect(self, broker: RabbitBroker) -> bool:
        try:
            async with asyncio.timeout(START_LIMIT):
                await broker.startup()
        except BROKER_FAILURES as error:
            self._tell_down(repr(error))
            return False
        self._broker = broker
        self._up.set()
        self._tell_up()
        return True

    async def _close(self, broker: RabbitBroker) -> None:
        self._broker = None
        self._up.clear()
        self.listening.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), CLOSE_LIMIT)

    async def _serve(self, broker: RabbitBroker, *, consume: bool) -> None:
        if consume:
            await self._consume(broker)
        else:
            await self._first(broker.lost, self._stopping)
        if not self._stopping.is_set():
            self._tell_down("the connection is lost")
            return
        await self._finish_slices()
        if self._waiting and not broker.lost.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sent.wait(), self._grace)

    async def _first(self, *events: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _consume(self, broker: RabbitBroker) -> None:
        """Run what comes in until the link stops or the connection is lost."""
        receiver = Receiver(
            broker,
            run_startup=False,
            max_async_tasks=self._concurrency,
            ack_type=AcknowledgeType.WHEN_EXECUTED,
            wait_tasks_timeout=0,
        )
        (end,) = await asyncio.gather(receiver.listen(self._stopping), return_exceptions=True)
        if isinstance(end, BaseException) and not broker.lost.is_set():
            log.warning("listening to RabbitMQ broke off; it begins anew", exc_info=end)

    @asynccontextmanager
    async def _slice(self) -> AsyncGenerator[None]:
        """What surrounds each run; slices of a lost connection go on, and count against the bound."""
        if task := asyncio.current_task():
            self._slices.add(task)
            task.add_done_callback(self._slices.discard)
        async with self._free:
            yield

    async def _finish_slices(self) -> None:
        if self._slices:
            await asyncio.wait(self._slices, timeout=self._grace)
        late = list(self._slices)
        for slice_ in late:
            slice_.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            await self._woken.wait()
            await self._up.wait()
            taken = self._waiting.take({})
            if taken is None:
                self._woken.clear()
                self._sent.set()
            elif not await self._send_one(*taken):
                await asyncio.sleep(POLL)

    async def _send_one(self, name: str, ids: list[int]) -> bool:
        try:
            async with asyncio.timeout(SEND_LIMIT):
                await self._tasks[name].kiq(ids)
        except (SendTaskError, TimeoutError) as error:
            self._tell_down(repr(error.__cause__ or error))
            self._waiting.add(name, ids)
            return False
        self._tell_up()
        return True

    def _tell_down(self, error: str) -> None:
        if not self._down_told and not self._stopping.is_set():
            self._down_told = True
            log.warning(
                "RabbitMQ doesn't answer or refuses; jobs wait until it does",
                broker=self.address,
                error=error,
            )

    def _tell_up(self) -> None:
        if self._down_told:
            self._down_told = False
            log.info("RabbitMQ answers again", broker=self.address)
