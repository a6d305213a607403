"""How large a request's body may be, and how slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.kernel.errors import InvalidInput, RequestTimeout, TooLarge
from entrepot.kernel.web.headers import header

__all__ = ["BodyLimitMiddleware", "declared_length", "limited_body", "streamed_body"]


class BodyLimitMiddleware:
    """Refuses a body over ``limit`` bytes, by its Content-Length or while it streams in.

    ``own`` are the routes that watch over their bodies themselves (see `limited_body`): a method, and what
    the path begins with.
    """

    def __init__(self, app: ASGIApp, *, limit: int, own: Sequence[tuple[str, str]] = ()) -> None:
        self.app = app
        self._limit = limit
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a counted body; raises TooLarge here or from ``receive``."""
        if scope["type"] == "http" and not self._is_own(scope):
            receive = limited_body(scope, receive, self._limit)
        await self.app(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        method, path = scope["method"], scope["path"]
        return any(method == one and path.startswith(beginning) for one, beginning in self._own)


def declared_length(scope: Scope) -> int | None:
    """Give the Content-Length; None without one. Numbers beyond all measure become 10¹⁸."""
    declared = header(scope, b"content-length")
    if declared is None or not declared.isdigit():
        return None
    return int(declared) if len(declared) <= 18 else 10**18


def limited_body(scope: Scope, receive: Receive, limit: int) -> Receive:
    """Give a ``receive`` that raises TooLarge when the body is over ``limit`` bytes.

    A Content-Length over it raises TooLarge at once.
    """
    if (declared_length(scope) or 0) > limit:
        raise _too_large(limit)
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _too_large(limit)
        return message

    return counted


async def streamed_body(scope: Scope, receive: Receive, *, stall: float) -> AsyncGenerator[bytes]:
    """Yield a body as it comes in; memory holds no more of it than what the server gives at once.

    Raises RequestTimeout after ``stall`` seconds without a byte, and InvalidInput if it ends before it
    is whole: the client has gone, or sent fewer bytes than it announced.
    """
    taken, more = 0, True
    while more:
        message = await _within(receive, stall)
        if message["type"] == "http.disconnect":
            raise InvalidInput("The connection ended before the body was whole.", where="body")
        if piece := message.get("body", b""):
            taken += len(piece)
            yield piece
        more = message.get("more_body", False)
    declared = declared_length(scope)
    if declared is not None and taken != declared:
        raise InvalidInput(f"The body has {taken:,} bytes, and not the {declared:,} announced.", where="body")


async def _within(receive: Receive, seconds: float) -> Message:
    try:
        async with asyncio.timeout(seconds):
            return await receive()
    except TimeoutError:
        raise RequestTimeout(
            f"Nothing of the body came for {seconds:g} s; send it again.", headers={"Connection": "close"}
        ) from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the {limit:,} bytes that are taken here.", where="body")
