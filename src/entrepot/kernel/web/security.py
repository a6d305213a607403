"""Headers that keep browsers from guessing, framing and telling on."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.kernel.web.headers import Headers

__all__ = ["SecurityHeadersMiddleware"]

DEFAULTS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class SecurityHeadersMiddleware:
    """Adds the headers that an answer hasn't got itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and complete the answer's head."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: Headers = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                headers += [default for default in DEFAULTS if default[0] not in present]
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, completed)
