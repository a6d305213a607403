"""How large a request's body may be."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.kernel.errors import TooLarge
from entrepot.kernel.web.headers import header

__all__ = ["BodyLimitMiddleware"]


class BodyLimitMiddleware:
    """Refuses a body over its limit in bytes, by its Content-Length or while it streams in.

    ``limit_for(path)`` gives another limit for a path, or None for the default.
    """

    def __init__(
        self, app: ASGIApp, *, default: int, limit_for: Callable[[str], int | None] | None = None
    ) -> None:
        self.app = app
        self._default = default
        self._limit_for = limit_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a counted body; raises TooLarge here or from ``receive``."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
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

        await self.app(scope, counted, send)

    def _limit(self, path: str) -> int:
        other = self._limit_for(path) if self._limit_for else None
        return self._default if other is None else other


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the {limit:,} bytes that are taken here.", where="body")
