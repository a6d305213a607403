"""Answers that go out while the body comes in: order, clients that read late, and clients that go away."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest
from starlette.types import Message, Scope

from entrepot.kernel.web import exchange
from entrepot.kernel.web.exchange import Body, ExchangeResponse

Answer = Callable[[Body], AsyncGenerator[bytes]]


async def echo(body: Body) -> AsyncGenerator[bytes]:
    while piece := await body.piece(10):
        yield piece.upper()


class Client:
    """Sends pieces, and takes an answer when ``reads`` is set."""

    def __init__(self, pieces: Sequence[bytes], *, whole: bool = True) -> None:
        self.pieces = list(pieces)
        self.whole = whole
        self.reads = asyncio.Event()
        self.reads.set()
        self.body_read = asyncio.Event()
        self.messages: list[Message] = []

    async def receive(self) -> Message:
        if self.pieces:
            piece = self.pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or not self.whole}
        if not self.whole:
            return {"type": "http.disconnect"}
        self.body_read.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.messages.append(message)

    async def run(self, answer: Answer, folder: Path) -> Scope:
        scope: Scope = {"type": "http", "method": "POST"}
        await ExchangeResponse(answer, folder=folder)(scope, self.receive, self.send)
        return scope

    @property
    def answer(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def test_each_piece_is_answered_before_the_next_is_asked_for(tmp_path: Path) -> None:
    client = Client([b"a", b"", b"b", b"c"])
    seen: list[int] = []

    async def watched(body: Body) -> AsyncGenerator[bytes]:
        async for piece in echo(body):
            yield piece
            seen.append(len(client.messages))

    scope = await client.run(watched, tmp_path)
    assert seen == [2, 3, 4]  # the head, and the pieces up to here
    assert client.answer == b"ABC"
    assert client.messages[0]["status"] == 200
    assert client.messages[-1] == {"type": "http.response.body", "body": b""}
    assert "entrepot.gone" not in scope


@pytest.mark.parametrize(("in_memory", "in_file"), [(10**9, 10**9), (100, 10**9), (0, 10**9)])
async def test_who_reads_only_after_sending_gets_all_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, in_file: int
) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 0.01)
    monkeypatch.setattr(exchange, "IN_MEMORY", in_memory)
    monkeypatch.setattr(exchange, "IN_FILE", in_file)
    monkeypatch.setattr(exchange, "PIECE", 1000)
    pieces = [bytes([97 + number % 26]) * (1 + number * 7 % 900) for number in range(300)]
    client = Client(pieces)
    client.reads.clear()
    running = asyncio.create_task(client.run(echo, tmp_path))
    async with asyncio.timeout(10):
        await client.body_read.wait()
        client.reads.set()
        await running
    assert client.answer == b"".join(pieces).upper()
    assert list(tmp_path.iterdir()) == []


async def test_the_body_is_read_no_further_than_the_file_may_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PATIENCE", 0.01), ("IN_MEMORY", 0), ("IN_FILE", 5000), ("STALL", 0.3)):
        monkeypatch.setattr(exchange, name, value)
    client = Client([b"x" * 1000] * 100)
    client.reads.clear()
    with pytest.raises(TimeoutError):
        await client.run(echo, tmp_path)
    assert 90 <= len(client.pieces) <= 95


async def test_a_failure_before_the_first_piece_sends_nothing(tmp_path: Path) -> None:
    async def fails(body: Body) -> AsyncGenerator[bytes]:
        raise LookupError
        yield b""

    client = Client([b"a"])
    with pytest.raises(LookupError):
        await client.run(fails, tmp_path)
    assert client.messages == []


async def test_a_failure_later_breaks_the_answer(tmp_path: Path) -> None:
    async def fails(body: Body) -> AsyncGenerator[bytes]:
        yield b"first"
        raise LookupError

    client = Client([b"a"])
    with pytest.raises(LookupError):
        await client.run(fails, tmp_path)
    assert client.answer == b"first"
    assert client.messages[-1].get("more_body") is True


async def test_who_goes_away_ends_the_work(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def watched(body: Body) -> AsyncGenerator[bytes]:
        try:
            async for piece in echo(body):
                yield piece
        finally:
            closed.set()

    client = Client([b"a", b"b"], whole=False)
    scope = await client.run(watched, tmp_path)
    assert scope["entrepot.gone"] is True
    assert closed.is_set()
    assert client.answer == b"AB"


async def test_an_answer_that_ends_early_lets_the_client_finish_sending(tmp_path: Path) -> None:
    async def short(body: Body) -> AsyncGenerator[bytes]:
        yield await body.piece(10) or b""

    client = Client([b"a"] * 500)
    await client.run(short, tmp_path)
    assert client.answer == b"a"
    assert client.pieces == []


async def test_a_piece_that_comes_late_is_not_lost(tmp_path: Path) -> None:
    late = asyncio.Event()
    waits: list[bytes | None] = []

    class Late(Client):
        async def receive(self) -> Message:
            await late.wait()
            return await super().receive()

    async def patient(body: Body) -> AsyncGenerator[bytes]:
        waits.extend([await body.piece(0.01) for _ in range(3)])
        late.set()
        yield await body.piece(10) or b""
        yield await body.piece(10) or b"end"

    client = Late([b"late"])
    async with asyncio.timeout(10):
        await client.run(patient, tmp_path)
    assert waits == [None] * 3
    assert client.answer == b"lateend"
