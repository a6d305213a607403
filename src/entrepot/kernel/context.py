"""What a request has at hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from entrepot.kernel.db import ReadSession
from entrepot.kernel.identity import ANONYMOUS, Caller, authenticate, credentials_of
from entrepot.kernel.process import ProcessContext
from entrepot.kernel.web.forwarded import base_url

__all__ = ["ProcessContext", "RequestContext", "Visit"]


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


def _visit(request: Request) -> RequestContext:
    return RequestContext(request, request.app.state.context)


Visit = Annotated[RequestContext, Depends(_visit)]
"""The dependency of every route."""
