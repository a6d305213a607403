"""Carries pieces from the coroutine that has them to the thread that uploads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from entrepot.kernel.objects.digest import Digest, require_same
from entrepot.kernel.objects.models import Checksums

LOOK_EVERY = 1.0
"""Seconds after which the thread looks whether the event loop still runs."""


class FeedStoppedError(Exception):
    """The other side has given up; what it raised says why."""


class Feed:
    """One stream with two ends and at most one piece between them.

    The coroutine calls ``send`` and then ``end``, or ``stop``. The thread iterates; that comes to
    its end only if the stream is whole and as expected, else it raises.
    """

    def __init__(self, expected: Checksums | None) -> None:
        self.digest = Digest()
        self._expected = expected
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._stopped = False

    async def send(self, piece: bytes) -> None:
        """Hand over a piece once the thread took the one before; raises FeedStoppedError."""
        await self._pass(piece)

    async def end(self) -> None:
        """Say that the stream is whole; raises FeedStoppedError."""
        await self._pass(None)

    def stop(self) -> None:
        """Give up: the thread's next step raises."""
        self._drop()
        self._pieces.put_nowait(None)

    def abandon(self, _upload: object) -> None:
        """Note that the thread has ended (on the event loop): nobody waits for it any more."""
        self._drop()

    def _drop(self) -> None:
        self._stopped = True
        while not self._pieces.empty():
            self._pieces.get_nowait()

    async def _pass(self, piece: bytes | None) -> None:
        if not self._stopped:
            await self._pieces.put(piece)
        if self._stopped:
            raise FeedStoppedError

    def __iter__(self) -> Iterator[bytes]:
        """Iterate in the uploading thread; takes the checksums there."""
        while (piece := self._next()) is not None:
            self.digest.feed(piece)
            yield piece
        if self._stopped:
            raise FeedStoppedError
        require_same(self._expected, self.digest.result())

    def _next(self) -> bytes | None:
        piece = asyncio.run_coroutine_threadsafe(self._pieces.get(), self._loop)
        while True:
            try:
                return piece.result(timeout=LOOK_EVERY)
            except TimeoutError:
                if not self._loop.is_running():  # it was stopped, and would never say so
                    raise FeedStoppedError from None
