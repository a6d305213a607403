"""Answers that go out while the request's body still comes in."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import IO

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from entrepot.kernel.web.disconnect import while_connected

__all__ = ["Body", "ClientGone", "ExchangeResponse"]

PATIENCE = 1.0
"""Seconds for a client to take a piece; one that only reads when it has sent all of its body takes none."""
IN_MEMORY = 2**20
"""Bytes of the answer that wait for such a client in memory; more of them wait in a file."""
IN_FILE = 2**32
"""Bytes that wait in a file at most; then the body is read no further."""
STALL = 300.0
"""Seconds without any movement after which the connection is given up."""
DISCARD = 2.0
"""Seconds for which the rest of a body is thrown away when the answer ends before it."""
PIECE = 2**20


class ClientGone(Exception):
    """The client went away while its body was read."""


class Body:
    """A request's body, piece by piece."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._coming: asyncio.Task[Message] | None = None
        self.ended = False

    async def piece(self, seconds: float) -> bytes | None:
        """Give the next piece, an empty one at the end; None when nothing comes for so many seconds.

        Raises ClientGone.
        """
        while not self.ended:
            message = await self._message(seconds)
            if message is None:
                return None
            if message["type"] == "http.disconnect":
                raise ClientGone
            self.ended = not message.get("more_body", False)
            if piece := message.get("body", b""):
                return piece
        return b""

    async def _message(self, seconds: float) -> Message | None:
        """Wait for the next message; one that comes later isn't lost."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(_received(self._receive))
        done, _ = await asyncio.wait([self._coming], timeout=seconds)
        if not done:
            return None
        message, self._coming = self._coming.result(), None
        return message

    async def discard(self, seconds: float) -> None:
        """Throw away what still comes within so many seconds: who is still sending would miss the answer."""
        end = asyncio.get_running_loop().time() + seconds
        while not self.ended and (left := end - asyncio.get_running_loop().time()) > 0:
            await self.piece(left)

    async def close(self) -> None:
        """Wait for nothing more."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)


async def _received(receive: Receive) -> Message:
    return await receive()


class ExchangeResponse(Response):
    """Streams what ``answer`` makes of the body, each piece as soon as it is there.

    ``answer`` gives its next piece when the one before has gone out. To a client that doesn't read before it
    has sent all, pieces wait in a nameless file in ``folder`` instead, as the two would else wait for each
    other. A failure before the first piece is still an error answer; a later one breaks the connection.
    """

    def __init__(
        self,
        answer: Callable[[Body], AsyncGenerator[bytes]],
        *,
        folder: Path,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._answer = answer
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and pieces; ``scope["entrepot.gone"]`` is set if the client went away."""
        body = Body(receive)
        try:
            async with aclosing(self._answer(body)) as pieces:
                await self._exchange(body, pieces, receive, send)
        except ClientGone:
            scope["entrepot.gone"] = True
        finally:
            await body.close()

    async def _exchange(
        self, body: Body, pieces: AsyncGenerator[bytes], receive: Receive, send: Send
    ) -> None:
        first = await anext(pieces, b"")
        head: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        outgoing = _Outgoing(send, self._folder)
        sender = asyncio.ensure_future(outgoing.send_all(head))
        try:
            await outgoing.put(first)
            async for piece in pieces:
                await outgoing.put(piece)
            await body.discard(DISCARD)
            outgoing.finish()
            if not body.ended:
                await outgoing.sent()
            elif not await while_connected(receive, outgoing.sent()):
                raise ClientGone
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            await asyncio.to_thread(outgoing.close)
        await send({"type": "http.response.body", "body": b""})


class _Outgoing:
    """Pieces on their way to the client, in their order."""

    def __init__(self, send: Send, folder: Path) -> None:
        self._send = send
        self._folder = folder
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._file: IO[bytes] | None = None
        self._written = self._read = 0
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._moved = asyncio.Event()
        self._is_slow = False
        self._is_over = False
        self._failure: BaseException | None = None

    async def put(self, piece: bytes) -> None:
        """Hand over a piece; returns when it has gone out, or waits where it costs no memory."""
        if not piece:
            return
        if self._in_file or self._held > IN_MEMORY:
            await self._put_aside(piece)
        else:
            self._waiting.append(piece)
            self._held += len(piece)
        self._empty.clear()
        self._filled.set()
        if self._in_file < IN_FILE:
            await self._wait_a_moment()
        else:
            await self.sent()

    @property
    def _in_file(self) -> int:
        return self._written - self._read

    async def _wait_a_moment(self) -> None:
        if self._is_slow and not self._empty.is_set():
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._empty.wait()
            self._is_slow = False
        except TimeoutError:
            self._is_slow = True
        self._raise_failure()

    async def _put_aside(self, piece: bytes) -> None:
        if not self._in_file:
            self._written = self._read = 0
        await asyncio.to_thread(self._write, piece, self._written)
        self._written += len(piece)

    def _write(self, piece: bytes, place: int) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as this
        while piece:
            count = os.pwrite(self._file.fileno(), piece, place)
            piece, place = piece[count:], place + count

    def finish(self) -> None:
        """Say that no further piece comes."""
        self._is_over = True
        self._filled.set()

    async def sent(self) -> None:
        """Wait until everything has gone out; raises TimeoutError when nothing moves for long."""
        while not self._empty.is_set():
            self._moved.clear()
            async with asyncio.timeout(STALL):
                await self._moved.wait()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    async def send_all(self, head: Message) -> None:
        """Send the head and what is put, until all of it is sent."""
        try:
            await self._send(head)
            while piece := await self._next():
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                self._moved.set()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._empty.set()
            self._moved.set()

    async def _next(self) -> bytes:
        """Give the next piece; empty after the last."""
        while True:
            if self._waiting:
                piece = self._waiting.popleft()
                self._held -= len(piece)
                return piece
            if self._in_file:
                piece = await asyncio.to_thread(self._read_back, self._read, min(PIECE, self._in_file))
                self._read += len(piece)
                return piece
            self._filled.clear()
            self._empty.set()
            if self._is_over:
                return b""
            await self._filled.wait()

    def _read_back(self, place: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, place) if self._file else b""

    def close(self) -> None:
        """Remove what waits."""
        if self._file is not None:
            self._file.close()
