"""From an exception to an answer: problem details (RFC 9457), or the shape of a module's contract."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import cast

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.kernel import errors
from entrepot.kernel.errors import EntrepotError, InvalidInput, MethodNotAllowed, NotFound
from entrepot.kernel.web.observe import request_id

__all__ = ["FailureMiddleware", "Failures", "Renderer", "problem_response", "register_error_handlers"]

Renderer = Callable[[EntrepotError, Scope], Response]
"""Gives a failure the shape that a module's clients know; the failure's own headers are added after it."""

BY_STATUS: dict[int, type[EntrepotError]] = {
    kind.status: kind
    for kind in (
        errors.InvalidInput,
        errors.Unauthenticated,
        errors.Forbidden,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.NotAcceptable,
        errors.RequestTimeout,
        errors.Conflict,
        errors.Gone,
        errors.PreconditionFailed,
        errors.TooLarge,
        errors.UnsupportedMedia,
        errors.RangeNotSatisfiable,
        errors.TooManyRequests,
        errors.Unavailable,
        errors.InsufficientStorage,
    )
}
MISSING = "This value is required."
DEEPEST = 16

log = structlog.stdlib.get_logger("entrepot.failures")


def problem_response(error: EntrepotError, request_id: str) -> Response:
    """Write a failure as application/problem+json."""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.where is not None:
        problem["where"] = error.where
    if isinstance(error, InvalidInput) and error.fields:
        problem["errors"] = _plain(error.fields)
    problem["request_id"] = request_id
    text = json.dumps(problem, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate from somebody's text has no UTF-8; its escape is valid JSON.
    body = text.encode("utf-8", "backslashreplace")
    return Response(body, status_code=error.status, media_type="application/problem+json")


def _plain(value: object, depth: int = 0) -> object:
    """Make JSON of anything: what it has no word for becomes null or text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth < DEEPEST and isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return {str(key): _plain(item, depth + 1) for key, item in pairs.items()}
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in cast("Sequence[object]", value)]
    return str(value)


class Failures:
    """Answers for failures, below each prefix in the shape of its renderer; the longest prefix wins."""

    def __init__(self, renderers: Mapping[str, Renderer] | None = None) -> None:
        by_length = sorted((renderers or {}).items(), key=lambda item: -len(item[0]))
        self._renderers = [(prefix.rstrip("/"), renderer) for prefix, renderer in by_length]

    def answer(self, error: EntrepotError, scope: Scope) -> Response:
        """Give the answer to a failure, with its headers; a 401 always says how to authenticate."""
        # Taken away while it works: its own failure is answered without it.
        renderer = None if "entrepot.rendering" in scope else self._renderer(scope["path"])
        scope["entrepot.rendering"] = True
        response = renderer(error, scope) if renderer else problem_response(error, request_id(scope))
        del scope["entrepot.rendering"]
        for name, value in error.headers.items():
            response.headers[name] = value
        if response.status_code == 401:
            response.headers.setdefault("WWW-Authenticate", "Token")
        return response

    def _renderer(self, path: str) -> Renderer | None:
        for prefix, renderer in self._renderers:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return renderer
        return None

    async def on_failure(self, request: Request, error: Exception) -> Response:
        """Answer what the house itself raises."""
        return self.answer(cast("EntrepotError", error), request.scope)

    async def on_http(self, request: Request, error: Exception) -> Response:
        """Answer what the framework raises: no route, no such method, an unreadable body."""
        return self.answer(_from_framework(cast("HTTPException", error), request), request.scope)

    async def on_validation(self, request: Request, error: Exception) -> Response:
        """Answer what the framework found wrong with parameters or body."""
        return self.answer(_from_validation(cast("RequestValidationError", error)), request.scope)

    def unexpected(self, error: Exception, scope: Scope) -> Response:
        """Answer what nobody foresaw; the traceback goes into the log only."""
        log.error("request failed", method=scope["method"], exc_info=error)
        sentence = (
            f"Something went wrong on our side; quote the request id {request_id(scope)} when you report it."
        )
        return self.answer(EntrepotError(sentence), scope)


class FailureMiddleware:
    """Answers what is raised at the edge, and everything that nobody foresaw.

    Nothing is raised further: after the head went out the failure is logged, and the server breaks the
    connection because the answer isn't finished.
    """

    def __init__(self, app: ASGIApp, *, failures: Failures) -> None:
        self.app = app
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer if that fails."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def noticed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, noticed)
        except EntrepotError as error:
            if started:
                log.error("answer broken off", reason=error.detail)
            else:
                await self._failures.answer(error, scope)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the last place where a traceback can be kept from an answer
            response = self._failures.unexpected(error, scope)
            if not started:
                await response(scope, receive, send)


def register_error_handlers(app: FastAPI, renderers: Mapping[str, Renderer] | None = None) -> Failures:
    """Install the answers to failures; ``renderers`` by URL prefix.

    Gives what FailureMiddleware needs, which answers unforeseen exceptions.
    """
    failures = Failures(renderers)
    app.add_exception_handler(EntrepotError, failures.on_failure)
    app.add_exception_handler(HTTPException, failures.on_http)
    app.add_exception_handler(RequestValidationError, failures.on_validation)
    return failures


def _from_framework(error: HTTPException, request: Request) -> EntrepotError:
    if isinstance(error.__cause__, EntrepotError):  # raised while the framework read the body
        return error.__cause__
    headers = dict(error.headers or {})
    path: str = request.scope["path"]
    if error.status_code == 404:
        return NotFound("There is nothing at this address.", headers=headers)
    if error.status_code == 405:
        methods = ", ".join(sorted(_allowed_methods(request)))
        detail = f"{request.method} is not possible here; possible are: {methods}."
        return MethodNotAllowed(detail, headers={**headers, "Allow": methods})
    kind = BY_STATUS.get(error.status_code)
    if kind is None:
        kind = InvalidInput if error.status_code < 500 else EntrepotError
        log.error("framework status without a failure of ours", status=error.status_code, path=path)
    return kind(str(error.detail), headers=headers)


def _allowed_methods(request: Request) -> set[str]:
    """Collect the methods of every route at this path, where the framework names the first route's only."""
    path: str = request.scope["path"]
    app: FastAPI = request.app
    methods: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.methods and route.path_regex.match(path):
            methods |= route.methods
    return methods


def _from_validation(error: RequestValidationError) -> InvalidInput:
    fields: dict[str, list[str]] = {}
    found: Sequence[Mapping[str, object]] = error.errors()
    for item in found:
        place, *names = cast("Sequence[str | int]", item["loc"])
        if item["type"] == "json_invalid" and place == "body":
            reason = cast("Mapping[str, object]", item.get("ctx") or {}).get("error", "it can't be parsed")
            return InvalidInput(
                f"The body must be valid JSON: {reason} (character {names[0]}).", where="body"
            )
        name = ".".join(map(str, names)) or str(place)
        sentence = str(item["msg"]).removeprefix("Value error, ").rstrip(".") + "."
        fields.setdefault(name, []).append(MISSING if item["type"] == "missing" else sentence)
    return InvalidInput.of(fields)
