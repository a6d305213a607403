"""Which of several processes on one data folder does what only one may do."""

from __future__ import annotations

import asyncio
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["Election"]


class Election:
    """A file lock: one process holds it, and at its death the system hands it on."""

    def __init__(self, path: Path, *, every: float = 0.5) -> None:
        self._lock = FileLock(path, timeout=0, thread_local=False)
        self._every = every

    def win(self) -> bool:
        """Take the lock if nobody else has it."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    async def won(self) -> None:
        """Wait until the lock is ours."""
        while not self.win():  # noqa: ASYNC110 - another process holds it, nothing in this one tells
            await asyncio.sleep(self._every)

    def release(self) -> None:
        """Give the lock to another, if it was ours."""
        self._lock.release(force=True)
