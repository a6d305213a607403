"""When tokens were last used, noted in memory and written once a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import structlog

from entrepot.kernel.db import Database, WriteSession
from entrepot.kernel.errors import EntrepotError
from entrepot.kernel.identity import store

__all__ = ["LastUse"]

HOUR = 3600
log = structlog.stdlib.get_logger(__name__)


class LastUse:
    """The tokens used in this hour; each is written once an hour at most."""

    def __init__(self) -> None:
        self._hour = 0
        self._noted: set[int] = set()
        self._written: set[int] = set()

    def note(self, token_id: int | None) -> None:
        """Note that a token was used now; None is no token."""
        if token_id is not None and token_id not in self._written:
            self._noted.add(token_id)

    async def flush(self, database: Database) -> None:
        """Write what was noted; what can't be written stays noted."""
        hour = int(time.time()) // HOUR
        if hour != self._hour:
            self._hour = hour
            self._written.clear()
        noted, self._noted = self._noted, set()
        if not noted:
            return

        async def work(session: WriteSession) -> None:
            await store.touch(session, noted, datetime.fromtimestamp(hour * HOUR, UTC))

        try:
            await database.transact(work)
        except BaseException:
            self._noted |= noted
            raise
        self._written |= noted

    @asynccontextmanager
    async def flushing(self, database: Database, *, seconds: float = 60.0) -> AsyncGenerator[None]:
        """Flush every ``seconds`` for as long as this is open, and at its end."""
        task = asyncio.create_task(self._flush_for_ever(database, seconds))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._flush_quietly(database)

    async def _flush_for_ever(self, database: Database, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._flush_quietly(database)

    async def _flush_quietly(self, database: Database) -> None:
        try:
            await self.flush(database)
        except EntrepotError as error:
            log.warning("the last use of tokens could not be written", error=error.detail)
