"""Cross-origin requests (CORS): any origin, never with credentials, on every answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.kernel.web.headers import header, merge_vary

__all__ = ["CorsMiddleware"]

METHODS = b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
REQUEST_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "user-agent",
    "x-csrftoken",
    "x-requested-with",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "x-request-id",
    "repr-digest",
    "content-digest",
    "content-md5",
)
EXPOSED = (
    "ETag",
    "Content-Range",
    "Content-Length",
    "Content-Disposition",
    "Location",
    "Link",
    "Repr-Digest",
    "Retry-After",
    "X-Request-ID",
)
NAMES = re.compile(
    rb"[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}[ \t]*(?:,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}[ \t]*){0,63}"
)
MAX_AGE = b"86400"


class CorsMiddleware:
    """Answers preflights, and lets any origin read any answer, errors and 304 too.

    ``expose`` names headers that scripts may read besides the standard ones. Every answer has
    ``Vary: Origin``, so that a shared cache keeps the two forms apart.
    """

    def __init__(self, app: ASGIApp, *, expose: Sequence[str] = ()) -> None:
        self.app = app
        self._open = [
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", ", ".join((*EXPOSED, *expose)).encode("ascii")),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; else pass on and mark the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        added = self._open if header(scope, b"origin") is not None else []
        if added and scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            await _preflight(header(scope, b"access-control-request-headers"), send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*merge_vary(message.get("headers", ()), b"Origin"), *added]
            await send(message)

        await self.app(scope, receive, marked)


async def _preflight(asked: bytes | None, send: Send) -> None:
    headers = [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", _allowed(asked)),
        (b"access-control-max-age", MAX_AGE),
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _allowed(asked: bytes | None) -> bytes:
    names = list(REQUEST_HEADERS)
    if asked and NAMES.fullmatch(asked):
        wanted = (name.strip().lower() for name in asked.decode("ascii").split(","))
        names += [name for name in dict.fromkeys(wanted) if name not in REQUEST_HEADERS]
    return ", ".join(names).encode("ascii")
