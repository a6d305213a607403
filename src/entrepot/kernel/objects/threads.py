"""Threads of a store's own, so that a slow disk or network never takes those of the others."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

from entrepot.kernel.errors import Unavailable

READY_WITHIN = 5.0
"""Seconds that a store has to say that it is there."""

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool of threads in which blocking calls run."""

    def __init__(self, name: str, size: int) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=f"objects-{name}")
        self._probe: asyncio.Future[None] | None = None

    def start(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Begin a call and return its future."""
        call = functools.partial(function, *args, **kwargs)
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        future.add_done_callback(_seen)
        return future

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call; who is cancelled meanwhile doesn't wait for its end."""
        return await self.start(function, *args, **kwargs)

    async def finish(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call; who is cancelled meanwhile waits for its end, so that nothing is in use after it."""
        return await finished(self.start(function, *args, **kwargs))

    async def probe(self, function: Callable[[], None], silent: str) -> None:
        """Make a call that has 5 s; after that, or while an earlier one hangs, raise Unavailable(silent)."""
        if self._probe is None or self._probe.done():
            self._probe = self.start(function)
        done, _ = await asyncio.wait([self._probe], timeout=READY_WITHIN)
        if not done:
            raise Unavailable(silent)
        self._probe.result()

    def close(self) -> None:
        """Take no more calls; those that run come to their end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def finished(future: asyncio.Future[T]) -> T:
    """Await a call; who is cancelled meanwhile waits for its end all the same."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await settled(future)
        raise


async def settled(future: asyncio.Future[T]) -> None:
    """Wait until a call has ended, however often the waiter is cancelled; only for one that re-raises."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])


def _seen(future: asyncio.Future[T]) -> None:
    # asyncio reports a failure that nobody fetched; here the one who asked may have been cancelled
    if not future.cancelled():
        future.exception()
