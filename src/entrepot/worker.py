"""The worker: the same process as a server's, running jobs from the broker instead of requests."""

from __future__ import annotations

import asyncio
import signal

import structlog
import typer

from entrepot.app import open_process
from entrepot.kernel.errors import SettingsError
from entrepot.kernel.logs import configure_logs
from entrepot.kernel.process import ProcessContext
from entrepot.kernel.settings import KernelSettings

__all__ = ["run_worker", "work"]

log = structlog.stdlib.get_logger(__name__)


def work(settings: KernelSettings) -> None:
    """Run a worker until SIGTERM or SIGINT; raises SettingsError if there is no broker."""
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(run_worker(settings))


async def run_worker(settings: KernelSettings) -> None:
    """Run jobs from the broker until SIGTERM or SIGINT; raises SettingsError if there is no broker.

    One line on standard output says when it takes jobs.
    """
    if not settings.broker_url:
        raise SettingsError(
            "Jobs run inside the server; for a worker, set ENTREPOT_BROKER_URL "
            "to amqp://user:password@host:5672/ for it and for the servers.",
            where="ENTREPOT_BROKER_URL",
        )
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    stop = asyncio.create_task(told.wait())
    async with open_process(settings, consume=True) as context:
        ready = asyncio.create_task(_announce(context))
        await stop
        ready.cancel()
    log.info("the worker has stopped")


async def _announce(context: ProcessContext) -> None:
    await context.jobs.consuming()
    typer.echo(f"Entrepôt's worker takes jobs from {context.jobs.broker}.")
