"""What modules keep as long as the process lives: made when it is first asked for, closed at the end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar, cast

__all__ = ["Kept"]

T = TypeVar("T")


class Kept:
    """One thing of each kind."""

    def __init__(self) -> None:
        self._things: dict[type[object], object] = {}
        self._stack = AsyncExitStack()
        self._making: defaultdict[type[object], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, kind: type[T], make: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """Give the thing of that kind; the first who asks has it made and entered.

        Raises what that raises, and then the next one tries again.
        """
        async with self._making[kind]:
            if kind not in self._things:
                self._things[kind] = await self._stack.enter_async_context(make())
            return cast("T", self._things[kind])

    async def close(self) -> None:
        """Leave everything, the last made first; nothing may be asked for after that."""
        self._things.clear()
        await self._stack.aclose()
