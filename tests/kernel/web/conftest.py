"""Small applications behind the edge, and calls to them by hand where a client would tidy the request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from entrepot.kernel.web import install_edge, register_convertors

Message = dict[str, Any]


@dataclass
class Answer:
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


def blank_app() -> FastAPI:
    register_convertors()
    return FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)


async def raw_call(
    app: Callable[..., Awaitable[None]],
    raw_path: bytes = b"/",
    *,
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    client: tuple[str, int] | None = ("127.0.0.1", 5000),
    body: list[bytes] | None = None,
    gone_after: int | None = None,
    scheme: str = "http",
    path: str = "/as-the-server-decoded-it",
) -> Answer:
    """Call as an ASGI server does; with ``gone_after`` the client leaves after so many body messages."""
    answer, left, gone = Answer(), list(body or [b""]), asyncio.Event()
    sent = 0

    async def receive() -> Message:
        if left:
            piece = left.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(left)}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal sent
        await asyncio.sleep(0)
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in message["headers"]]
            return
        sent += 1
        if gone_after is not None and sent > gone_after:
            gone.set()
            return  # as under Granian: silent
        answer.body += message["body"]
        answer.complete = not message.get("more_body", False)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": raw_path,
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"archive.example.org")] if headers is None else headers,
        "client": client,
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await app(scope, receive, send)
    return answer


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Make lines as in production, and write them nowhere."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def edge() -> Callable[..., FastAPI]:
    """Make an application with the edge around it; add its routes before or after."""

    def make(**options: Any) -> FastAPI:
        app = blank_app()
        install_edge(app, **{"body_limit": 1000, **options})
        return app

    return make


@pytest.fixture
def call() -> Callable[..., Awaitable[Answer]]:
    return raw_call


@pytest.fixture
def client() -> Callable[[FastAPI], httpx.AsyncClient]:
    def make(app: FastAPI) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://archive.example.org")

    return make
