"""The one place that watches for a client's going away; a send to a closed connection is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from starlette.types import Receive

__all__ = ["until_gone", "while_connected"]


async def until_gone(receive: Receive) -> None:
    """Return when the client has gone; what is left of the request's body is thrown away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(receive: Receive, work: Coroutine[object, object, None]) -> bool:
    """Run ``work`` until it ends or the client goes away; True if it ran to its end.

    Work that was stopped has been cancelled and waited for: its ``finally`` blocks are through.
    Raises what ``work`` raises.
    """
    worker = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(until_gone(receive))
    try:
        await asyncio.wait((worker, watcher), return_when=asyncio.FIRST_COMPLETED)
        finished = worker.done()
    finally:
        worker.cancel()
        watcher.cancel()
        await asyncio.gather(worker, watcher, return_exceptions=True)
    if finished:
        worker.result()
    elif not worker.cancelled() and (error := worker.exception()):
        raise error
    return finished
