"""Each request's id, its line in the log, and its count in the metrics."""

from __future__ import annotations

import re
import secrets
from time import perf_counter
from urllib.parse import quote, unquote_plus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from entrepot.kernel.logs import is_secret
from entrepot.kernel.metrics import edge_metrics
from entrepot.kernel.web.forwarded import client_address
from entrepot.kernel.web.headers import header

__all__ = ["ObserveMiddleware", "logged_target", "request_id", "route_template"]

SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
GONE = 499
"""Logged and counted where the client went away before the answer began."""

log = structlog.stdlib.get_logger("entrepot.access")


def request_id(scope: Scope) -> str:
    """Tell the id of this request, also found in each of its log lines and in ``X-Request-ID``."""
    found: str = scope.get("entrepot.request_id", "")
    return found


class ObserveMiddleware:
    """Gives a request its id (a sane ``X-Request-ID`` is kept), then logs and counts its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._metrics = edge_metrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, watching the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        given = header(scope, b"x-request-id")
        name = given if given is not None and SANE_ID.fullmatch(given) else secrets.token_hex(8).encode()
        scope["entrepot.request_id"] = text = name.decode("ascii")
        status, sent = GONE, 0

        async def watched(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name)]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        tokens = bind_contextvars(request_id=text)
        self._metrics.in_flight.inc()
        try:
            await self.app(scope, receive, watched)
        finally:
            self._metrics.in_flight.dec()
            self._report(scope, status, sent, perf_counter() - began)
            reset_contextvars(**tokens)

    def _report(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        method: str = scope["method"]
        self._metrics.finished(method, route_template(scope), status, seconds, sent)
        log.info(
            "request",
            method=method,
            path=logged_target(scope),
            status=status,
            ms=round(seconds * 1000, 2),
            bytes=sent,
            client=client_address(scope),
            **({"gone": True} if scope.get("entrepot.gone") else {}),
        )


def route_template(scope: Scope) -> str:
    """Tell the template of the route that answered, such as ``/archive/frames/{id}``, or "unmatched"."""
    # FastAPI keeps the route as it was included, with the prefix; ``route`` alone is without it.
    included = scope.get("fastapi", {}).get("effective_route_context")
    for route in (included, scope.get("route")):
        path: str | None = getattr(route, "path_format", None)
        if path:
            return path
    return "unmatched"


def logged_target(scope: Scope) -> str:
    """Write path and query for the log, with secrets masked and nothing that could break a line.

    Masked are query parameters and path parameters whose name says that they are secret; a path with
    such a parameter is given as its route's template.
    """
    path: str = scope["path"]
    if any(is_secret(name) for name in scope.get("path_params", ())):
        path = route_template(scope)
    if not (path.isascii() and path.isprintable()):
        path = quote(path, safe="/%")
    query: bytes = scope.get("query_string", b"")
    return f"{path}?{_masked(query)}" if query else path


def _masked(query: bytes) -> str:
    parts: list[str] = []
    for part in query.decode("latin-1").split("&"):
        name, equals, _ = part.partition("=")
        parts.append(f"{name}=***" if equals and is_secret(unquote_plus(name)) else part)
    text = "&".join(parts)
    return text if text.isascii() and text.isprintable() else quote(text, safe="=&%+")
