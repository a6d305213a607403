"""One process of the server: the application, and how it ends."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.app import serving
from entrepot.kernel.errors import EntrepotError

__all__ = ["GRACE", "application"]

GRACE = 3.0
"""Seconds that answers under way get to finish after SIGTERM."""


def application() -> ASGIApp:
    """Build the application for a process that ``entrepot serve`` started."""
    return ServerProcess(serving(), grace=GRACE)


class ServerProcess:
    """Ends what is under way some time after SIGTERM, and everything when the parent is gone.

    The HTTP server itself would wait for a download that stalls until it is killed, and the jobs with
    it; and its processes would outlive a parent that was killed, keeping the port.
    """

    def __init__(self, app: ASGIApp, *, grace: float) -> None:
        self._app = app
        self._grace = grace
        self._under_way: set[asyncio.Task[object]] = set()

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
        await self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the lifespan; a start that fails for a known reason says it in one sentence."""
        failed: list[Message] = []

        async def send_later(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, send_later)
        except EntrepotError as error:
            await send({"type": "lifespan.startup.failed", "message": error.detail})
        except BaseException:
            for message in failed:
                await send(message)
            raise

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        parent = multiprocessing.parent_process()
        if parent is not None:
            loop.add_reader(parent.sentinel, self._die)

    def _stop(self) -> None:
        # The server's own handler of SIGTERM was replaced by this one; that of SIGINT does the same.
        os.kill(os.getpid(), signal.SIGINT)
        asyncio.get_running_loop().call_later(self._grace, self._end)

    def _end(self) -> None:
        for task in list(self._under_way):
            task.cancel()

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
