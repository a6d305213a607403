from __future__ import annotations

import json

import pytest
from fastapi import FastAPI, Form, Request
from pydantic import BaseModel


class Item(BaseModel):
    name: str


@pytest.fixture
def app(edge) -> FastAPI:
    app = edge(body_limit=100)

    async def read(request: Request) -> int:
        return len(await request.body())

    app.add_api_route("/small", read, methods=["POST"])

    @app.post("/json")
    async def take(item: Item) -> str:
        return item.name

    @app.post("/form")
    async def form(name: str = Form()) -> str:
        return name

    return app


@pytest.mark.parametrize("streamed", [False, True], ids=["declared", "streamed"])
@pytest.mark.parametrize(("size", "status"), [(0, 200), (100, 200), (101, 413)])
async def test_limits(app, client, size, status, streamed) -> None:
    async def pieces():
        for _ in range(size):
            yield b"x"

    answer = await client(app).post("/small", content=pieces() if streamed else b"x" * size)
    assert answer.status_code == status
    if status == 413:
        assert answer.json()["code"] == "too_large"
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_declared_size_is_refused_unread(app, call) -> None:
    body = [b"x"] * 5
    headers = [(b"host", b"h"), (b"content-length", b"101")]
    answer = await call(app, b"/small", method="POST", headers=headers, body=body)
    assert answer.status == 413
    assert "100 bytes" in json.loads(answer.body)["detail"]


@pytest.mark.parametrize("declared", [b"9" * 400, b"99999999999999999999"])
async def test_absurd_sizes(app, call, declared) -> None:
    headers = [(b"host", b"h"), (b"content-length", declared)]
    assert (await call(app, b"/small", method="POST", headers=headers)).status == 413


async def test_a_stream_is_stopped_early(app, call) -> None:
    body = [b"x" * 60] * 1000
    answer = await call(app, b"/small", method="POST", body=body)
    assert answer.status == 413


@pytest.mark.parametrize(
    ("path", "kind", "piece"),
    [
        ("/json", b"application/json", b'{"name": "'),
        ("/form", b"application/x-www-form-urlencoded", b"name="),
    ],
)
async def test_the_framework_does_not_swallow_the_limit(app, call, path, kind, piece) -> None:
    headers = [(b"host", b"h"), (b"content-type", kind)]
    answer = await call(app, path.encode(), method="POST", headers=headers, body=[piece, b"x" * 200, b"x"])
    assert answer.status == 413
