"""One run of a job as a taskiq task: bounded, logged, counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache
from typing import Any

import structlog
from prometheus_client import Counter
from taskiq import AsyncBroker, TaskiqMessage, TaskiqMiddleware, TaskiqResult
from taskiq.decor import AsyncTaskiqDecoratedTask

from entrepot.kernel.jobs.job import Job
from entrepot.kernel.metrics import metrics_registry

__all__ = ["Around", "Failed", "SliceTask", "add_task", "count_outcomes"]

SliceTask = AsyncTaskiqDecoratedTask[[list[int]], Coroutine[Any, Any, None]]
Failed = Callable[[str, Sequence[int]], None]
Around = Callable[[], AbstractAsyncContextManager[None]]

log = structlog.stdlib.get_logger(__name__)


def add_task(
    broker: AsyncBroker, job: Job, *, seconds: float, around: Around = nullcontext[None]
) -> SliceTask:
    """Register a job with a broker; a run happens inside ``around`` and is stopped after ``seconds``."""

    async def run(ids: list[int]) -> None:
        with structlog.contextvars.bound_contextvars(job=job.name):
            async with around(), asyncio.timeout(job.seconds or seconds):
                await job.run(ids)

    return broker.register_task(run, job.name)


def count_outcomes(broker: AsyncBroker, failed: Failed | None = None) -> None:
    """Log and count how each run ends; ``failed`` is told of those that raise."""
    broker.add_middlewares(_Outcomes(failed))
    logging.getLogger("taskiq.receiver.receiver").addFilter(_told_already)


def _told_already(record: logging.LogRecord) -> bool:
    """Leave out what taskiq says about each run; we say it with the job's name and ids."""
    return record.levelno >= logging.WARNING and record.msg != "Exception found while executing function."


@cache
def _runs() -> Counter:
    labels = ("job", "outcome")
    return Counter("entrepot_jobs", "Runs of background jobs.", labels, registry=metrics_registry())


class _Outcomes(TaskiqMiddleware):
    def __init__(self, failed: Failed | None) -> None:
        super().__init__()
        self._failed = failed

    def post_execute(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:
        if not result.is_err:
            _runs().labels(message.task_name, "done").inc()

    def on_error(self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException) -> None:
        name, ids = message.task_name, message.args[0]
        if isinstance(exception, asyncio.CancelledError):
            _runs().labels(name, "cancelled").inc()
            raise exception  # taskiq would take it for an end of the run, and acknowledge the message
        _runs().labels(name, "failed").inc()
        log.error("a job failed; the sweep will bring it back", job=name, ids=ids, exc_info=exception)
        if self._failed:
            self._failed(name, ids)
