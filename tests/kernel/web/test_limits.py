from __future__ import annotations

import asyncio
import json

import pytest
from fastapi import FastAPI, Form, Request
from pydantic import BaseModel
from starlette.types import Message

from entrepot.kernel.errors import InvalidInput, RequestTimeout
from entrepot.kernel.web.limits import limited_body, streamed_body


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


@pytest.fixture
def streaming(edge) -> FastAPI:
    """A route that watches over its body itself, beside one that doesn't."""
    app = edge(body_limit=100, own_limits=[("PUT", "/files/")])

    async def take(request: Request) -> int:
        receive = limited_body(request.scope, request.receive, 1000)
        return sum([len(piece) async for piece in streamed_body(request.scope, receive, stall=0.05)])

    app.add_api_route("/files/{name}", take, methods=["PUT", "POST"])
    app.add_api_route("/filesystem", take, methods=["PUT"])
    return app


@pytest.mark.parametrize("streamed", [False, True], ids=["declared", "streamed"])
@pytest.mark.parametrize(
    ("method", "path", "size", "status"),
    [
        ("PUT", "/files/x", 1000, 200),
        ("PUT", "/files/x", 1001, 413),
        ("POST", "/files/x", 101, 413),
        ("PUT", "/filesystem", 101, 413),
    ],
)
async def test_limits_of_a_routes_own(streaming, client, method, path, size, status, streamed) -> None:
    async def pieces():
        for start in range(0, size, 10):
            yield b"x" * min(10, size - start)

    answer = await client(streaming).request(method, path, content=pieces() if streamed else b"x" * size)
    assert answer.status_code == status
    assert status != 200 or answer.json() == size


@pytest.mark.parametrize(("declared", "status"), [(b"5", 200), (b"6", 400), (b"4", 400), (None, 200)])
async def test_a_body_that_is_not_as_long_as_announced(streaming, call, declared, status) -> None:
    headers = [(b"host", b"h"), *([(b"content-length", declared)] if declared else [])]
    answer = await call(streaming, b"/files/x", method="PUT", headers=headers, body=[b"abc", b"", b"de"])
    assert answer.status == status


async def streamed(*messages: Message | float) -> bytes:
    """Read a body of these messages, with pauses of so many seconds between them."""
    left = list(messages)

    async def receive() -> Message:
        if isinstance(left[0], float):
            await asyncio.sleep(left.pop(0))
        return left.pop(0)

    return b"".join([piece async for piece in streamed_body({"headers": []}, receive, stall=0.1)])


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_slow_body_is_waited_for_and_a_stalled_one_is_not() -> None:
    slow = [message for letter in b"abcd" for message in (0.05, piece(bytes([letter])))]
    assert await streamed(*slow, piece(b"", more=False)) == b"abcd"
    with pytest.raises(RequestTimeout, match=r"for 0\.1 s"):
        await streamed(piece(b"a"), 5.0, piece(b"b", more=False))


async def test_a_client_that_goes_is_no_end_of_the_body() -> None:
    with pytest.raises(InvalidInput, match="ended before"):
        await streamed(piece(b"a"), {"type": "http.disconnect"})
