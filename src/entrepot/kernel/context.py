"""What a request has at hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from inspect import signature
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from entrepot.kernel.db import ReadSession
from entrepot.kernel.identity import ANONYMOUS, Caller, authenticate, credentials_of
from entrepot.kernel.process import ProcessContext
from entrepot.kernel.web.forwarded import base_url

__all__ = ["ProcessContext", "RequestContext", "Visit", "VisitRoute"]


class RequestContext:
    """Who asks, by which address, and the way to the catalogue."""

    def __init__(self, request: Request, process: ProcessContext) -> None:
        self.request = request
        self.process = process
        self.base = base_url(request.scope)
        """The scheme and host that the caller came in by, without a trailing slash."""

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[tuple[Caller, ReadSession]]:
        """Open a session that reads, and tell who the caller is; raises Unauthenticated."""
        credentials = credentials_of(self.request.scope)
        async with self.process.database.read() as session:
            caller = await authenticate(session, credentials) if credentials else ANONYMOUS
            if caller.token_id is not None:
                self.request.app.state.last_use.note(caller.token_id)
            yield caller, session

    async def caller(self) -> Caller:
        """Tell who the caller is; raises Unauthenticated for credentials that aren't valid."""
        async with self.reading() as (caller, _):
            return caller


async def _visit(request: Request) -> RequestContext:
    return RequestContext(request, request.app.state.context)


Visit = Annotated[RequestContext, Depends(_visit)]
"""The dependency of every route."""


class VisitRoute(APIRoute):
    """A route that calls an endpoint with its visit and what its path holds, and needs no more solved.

    The framework's own solving of parameters costs as much as a small query; it stays in charge of
    endpoints that depend on anything else, and of the documentation.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give what answers a request."""
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint
        if set(signature(endpoint).parameters) - set(self.param_convertors) != {"visit"}:
            return super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await endpoint(RequestContext(request, request.app.state.context), **request.path_params)

        return answer
