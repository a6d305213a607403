"""What test_granian.py serves: started by the server, so it stands in a file of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, Request, Response

from entrepot.kernel.logs import configure_logs
from entrepot.kernel.web import (
    PIECE,
    PiecesResponse,
    base_url,
    client_address,
    file_response,
    install_edge,
    register_convertors,
)


@dataclass
class StoredFile:
    path: Path
    etag: str | None = "v1"
    modified: datetime | None = datetime(2026, 3, 1, tzinfo=UTC)
    media_type: str = "image/fits"
    filename: str | None = "frame.fits"

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    async def open(self, start: int, stop: int) -> AsyncIterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(start)
            while piece := await asyncio.to_thread(file.read, min(PIECE, stop - file.tell())):
                yield piece


given: dict[str, object] = {"pieces": 0, "closed": False}


async def item(key: str, request: Request) -> dict[str, str]:
    return {"key": key, "base": base_url(request.scope), "client": client_address(request.scope)}


async def file(request: Request) -> Response:
    return file_response(request, StoredFile(Path(os.environ["ENTREPOT_TEST_FILE"])))


async def endless() -> AsyncIterator[bytes]:
    try:
        while True:
            given["pieces"] = int(str(given["pieces"])) + 1
            yield b"x" * 1000
            await asyncio.sleep(0.01)
    finally:
        given["closed"] = True


async def stream() -> Response:
    return PiecesResponse(endless())


async def told() -> dict[str, object]:
    return given


async def fails() -> AsyncIterator[bytes]:
    yield b"begun"
    raise RuntimeError("hunter2")


async def breaks() -> Response:
    return PiecesResponse(fails())


async def broken() -> None:
    raise RuntimeError("hunter2")


async def take(request: Request) -> int:
    return len(await request.body())


def build() -> FastAPI:
    configure_logs("json", "info")
    register_convertors()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/items/{key:segment}/", item)
    app.add_api_route("/file", file, methods=["GET", "HEAD"])
    app.add_api_route("/endless", stream)
    app.add_api_route("/given", told)
    app.add_api_route("/breaks", breaks)
    app.add_api_route("/broken", broken)
    app.add_api_route("/take", take, methods=["POST"])
    install_edge(app, body_limit=1000)
    return app
