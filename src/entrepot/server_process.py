"""One process of the server: the application, and how it ends."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.app import serving
from entrepot.kernel.errors import EntrepotError

__all__ = ["GRACE", "ServerProcess", "application"]

GRACE = 3.0
"""Seconds that answers under way get to finish after SIGTERM."""

log = structlog.stdlib.get_logger(__name__)


def application() -> ASGIApp:
    """Build the application for a process that ``entrepot serve`` started."""
    return ServerProcess(serving(), grace=GRACE)


class ServerProcess:
    """Ends what is under way some seconds after SIGTERM, and the process when its parent is gone.

    Left alone, the HTTP server would wait for a client that stalls until it is killed itself, and the
    jobs would never be told; and its processes would outlive a parent that was killed, keeping the port.
    """

    def __init__(self, app: ASGIApp, *, grace: float) -> None:
        self._app = app
        self._grace = grace
        self._under_way: set[asyncio.Task[object]] = set()
        self._over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or the lifespan."""
        if scope["type"] == "lifespan":
            self._watch()
            await self._live(scope, receive, send)
            return
        task = asyncio.current_task()
        if task is not None:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._over.is_set():
                raise

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the lifespan; a start that fails for a known reason says it in one sentence."""
        failures: list[Message] = []

        async def send_unless_failed(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failures.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, self._until_over(receive), send_unless_failed)
        except Exception as error:
            for message in failures:
                known = {"message": error.detail} if isinstance(error, EntrepotError) else {}
                await send({**message, **known})
            if not (failures and isinstance(error, EntrepotError)):
                raise
        if self._over.is_set():
            # A client that stalls would keep the server from ending by itself.
            sys.stderr.flush()
            os._exit(0)

    def _until_over(self, receive: Receive) -> Receive:
        """Give the lifespan's messages; the last comes when the server says so, or the grace is over."""

        async def receive_or_stop() -> Message:
            told = asyncio.ensure_future(receive())
            over = asyncio.create_task(self._over.wait())
            await asyncio.wait((told, over), return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            return told.result() if told.done() else {"type": "lifespan.shutdown"}

        return receive_or_stop

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        parent = multiprocessing.parent_process()
        if parent is not None:
            loop.add_reader(parent.sentinel, _die)

    def _stop(self) -> None:
        # The server's own handler of SIGTERM was replaced by this one; that of SIGINT does the same.
        os.kill(os.getpid(), signal.SIGINT)
        asyncio.get_running_loop().call_later(self._grace, self._end)

    def _end(self) -> None:
        self._over.set()
        if self._under_way:
            log.warning("answers under way were cut off", count=len(self._under_way))
        for task in list(self._under_way):
            task.cancel()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
