from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from entrepot.kernel.errors import Unavailable
from entrepot.kernel.web import PIECE, PiecesResponse, until_gone, while_connected


class Source:
    """Gives pieces, and remembers how far it came and that it was closed."""

    def __init__(self, pieces: list[bytes | Exception], *, endless: bool = False) -> None:
        self.pieces, self.endless, self.given, self.closed = pieces, endless, 0, False

    async def read(self) -> AsyncIterator[bytes]:
        try:
            while True:
                for piece in self.pieces:
                    if isinstance(piece, Exception):
                        raise piece
                    self.given += 1
                    yield piece
                    await asyncio.sleep(0)
                if not self.endless:
                    return
        finally:
            self.closed = True


@pytest.fixture
def serve(edge):
    def make(source: Source, **options: object) -> FastAPI:
        app = edge()

        async def answer() -> object:
            return PiecesResponse(source.read(), **options)

        app.add_api_route("/", answer, methods=["GET", "HEAD"])
        return app

    return make


@pytest.mark.parametrize("size", [None, 6])
async def test_whole_stream(serve, call, size) -> None:
    source = Source([b"ab", b"", b"cdef"])
    answer = await call(serve(source, size=size, media_type="text/x-test", headers={"X-A": "1"}))
    assert (answer.status, answer.body, answer.complete) == (200, b"abcdef", True)
    assert answer.header("content-length") == (None if size is None else "6")
    assert answer.header("content-type").startswith("text/x-test")
    assert answer.header("x-a") == "1"
    assert source.closed


@pytest.mark.parametrize("size", [None, 0])
async def test_empty_stream(serve, call, size) -> None:
    answer = await call(serve(Source([]), size=size))
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)


async def test_pieces_are_cut_to_a_mebibyte(serve) -> None:
    sizes: list[int] = []
    body = bytes(range(256)) * (PIECE // 256) * 2 + b"tail"

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            sizes.append(len(message["body"]))
            got.extend(message["body"])

    got = bytearray()
    response = PiecesResponse(Source([body]).read(), size=len(body))
    await response({"type": "http", "method": "GET"}, receive, send)
    assert bytes(got) == body
    assert max(sizes) <= PIECE


@pytest.mark.parametrize("size", [None, 10**9])
async def test_producer_stops_when_the_client_goes(serve, call, size) -> None:
    source = Source([b"x" * 1000], endless=True)
    answer = await asyncio.wait_for(call(serve(source, size=size), gone_after=5), timeout=10)
    assert not answer.complete
    assert source.closed
    assert source.given < 100


async def test_waiting_producer_is_stopped_too(edge, call) -> None:
    app, stopped = edge(), asyncio.Event()

    async def waits() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            yield b"second"
            await asyncio.Event().wait()
        finally:
            stopped.set()

    @app.get("/")
    async def answer() -> object:
        return PiecesResponse(waits())

    await asyncio.wait_for(call(app, gone_after=1), timeout=10)
    assert stopped.is_set()


async def test_failure_before_the_first_piece_is_an_error_answer(serve, call) -> None:
    source = Source([Unavailable("The store does not answer.")])
    answer = await call(serve(source, size=100))
    assert answer.status == 503
    assert b"The store does not answer." in answer.body
    assert source.closed


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ([b"abc", Unavailable("The store went away.")], None),
        ([b"abc", ZeroDivisionError()], 6),
        ([b"abc"], 6),
        ([b"abc", b"abc", b"abc"], 6),
        ([b"abc", b"abcd"], 6),
        ([b"x" * PIECE, b"x"], PIECE + 2),
    ],
)
async def test_broken_streams_never_look_complete(serve, call, pieces, size) -> None:
    source = Source(pieces)
    with capture_logs() as lines:
        answer = await call(serve(source, size=size))
    assert answer.status == 200
    assert not answer.complete
    assert source.closed
    assert any(line["log_level"] == "error" for line in lines)


async def test_head_sends_no_body_and_closes(serve, call) -> None:
    source = Source([b"abc"])
    answer = await call(serve(source, size=3), method="HEAD")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert answer.header("content-length") == "3"
    assert source.given == 0


async def test_head_closes_a_source_that_had_begun(edge, call) -> None:
    app, source = edge(), Source([b"abc", b"def"])

    async def answer() -> object:
        pieces = source.read()
        await anext(pieces)
        return PiecesResponse(pieces)

    app.add_api_route("/", answer, methods=["HEAD"])
    await call(app, method="HEAD")
    assert source.closed


async def test_until_gone_skips_the_body() -> None:
    messages = [
        {"type": "http.request", "more_body": True},
        {"type": "http.request"},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    await until_gone(receive)
    assert messages == []


async def never() -> dict[str, object]:
    await asyncio.Event().wait()
    return {}


async def gone() -> dict[str, object]:
    return {"type": "http.disconnect"}


async def test_work_that_ends() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    assert await while_connected(never, work()) is True


async def test_work_is_cancelled_and_waited_for() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            done.append("cleaned up")

    assert await while_connected(gone, work()) is False
    assert done == ["cleaned up"]


@pytest.mark.parametrize("receive", [never, gone])
async def test_errors_of_the_work_come_through(receive) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(0 if receive is never else 60)
        finally:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await while_connected(receive, work())


async def test_cancelling_the_waiter_cancels_the_work() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task = asyncio.create_task(while_connected(never, work()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
