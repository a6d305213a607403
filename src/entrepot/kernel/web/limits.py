"""How large a request's body may be."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.kernel.errors import TooLarge
from entrepot.kernel.web.headers import header

__all__ = ["BodyLimitMiddleware", "limited_body"]


class BodyLimitMiddleware:
    """Refuses a body over ``limit`` bytes, by its Content-Length or while it streams in."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a counted body; raises TooLarge here or from ``receive``."""
        if scope["type"] == "http":
            receive = limited_body(scope, receive, self._limit)
        await self.app(scope, receive, send)


def limited_body(scope: Scope, receive: Receive, limit: int) -> Receive:
    """Give a ``receive`` that raises TooLarge when the body is over ``limit`` bytes.

    A Content-Length over it raises TooLarge at once.
    """
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
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


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the {limit:,} bytes that are taken here.", where="body")
