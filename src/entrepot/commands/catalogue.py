"""The way of a command to the catalogue."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from entrepot.app import load, open_process
from entrepot.kernel.db import Database, prepare
from entrepot.kernel.logs import configure_logs
from entrepot.kernel.process import ProcessContext
from entrepot.kernel.settings import KernelSettings

__all__ = ["on_catalogue", "opened", "with_database"]

T = TypeVar("T")


def on_catalogue(act: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``act`` on a catalogue that is fit for use, making it first where there is none yet."""

    async def prepared(database: Database) -> T:
        await prepare(database)
        return await act(database)

    return with_database(load(os.environ), prepared)


@asynccontextmanager
async def opened() -> AsyncGenerator[ProcessContext]:
    """Open catalogue, store and jobs for a module's command; of the log, it shows warnings only."""
    settings = load(os.environ)
    _quiet(settings)
    async with open_process(settings, consume=False) as process:
        yield process


def with_database(settings: KernelSettings, act: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``act`` on the catalogue as it is; of the log, a command shows warnings only."""
    _quiet(settings)

    async def run() -> T:
        database = Database(settings.catalogue_url, pool=2)
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _quiet(settings: KernelSettings) -> None:
    level = settings.log_level
    configure_logs(settings.log_format, "warning" if level == "info" else level)
