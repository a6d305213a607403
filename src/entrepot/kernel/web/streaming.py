"""Answers that stream: pieces of at most 1 MiB, stopped when the client goes away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Protocol, runtime_checkable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from entrepot.kernel.web.disconnect import while_connected

__all__ = ["PIECE", "PiecesResponse", "closing_pieces"]

PIECE = 2**20
"""Largest piece in bytes that is read, held and sent at once."""


class PiecesResponse(Response):
    """Streams an async iterator of bytes, and always closes it.

    The first piece is fetched before the head goes out, so that a failure up to there is still an
    error answer. Later failures, and pieces that don't add up to ``size``, break the connection:
    a body that ended early never looks complete.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        size: int | None = None,
    ) -> None:
        self.status_code = status
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)
        if size is not None:
            self.raw_headers.append((b"content-length", b"%d" % size))
        self._source = pieces
        self._pieces = _at_most_a_piece(pieces)
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and pieces; ``scope["entrepot.gone"]`` is set if the client went away."""
        async with closing_pieces(self._source), aclosing(self._pieces):
            if scope["method"] == "HEAD":
                await self._send_head(send)
                await send({"type": "http.response.body", "body": b""})
            elif self._size is not None and self._size <= PIECE:
                await self._send_all(send)
            elif not await while_connected(receive, self._send_all(send)):
                scope["entrepot.gone"] = True

    async def _send_all(self, send: Send) -> None:
        piece = await anext(self._pieces, b"")
        await self._send_head(send)
        left = None if self._size is None else self._size - len(piece)
        while piece and (left is None or left > 0):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await anext(self._pieces, b"")
            left = None if left is None else left - len(piece)
        if left or (left == 0 and await anext(self._pieces, b"")):
            raise RuntimeError(f"A stream didn't give the {self._size} bytes that were announced.")
        await send({"type": "http.response.body", "body": piece})

    async def _send_head(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


async def _at_most_a_piece(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Cut what is too large, and drop what is empty."""
    async for piece in pieces:
        if 0 < len(piece) <= PIECE:
            yield piece
        else:
            for start in range(0, len(piece), PIECE):
                yield piece[start : start + PIECE]


@runtime_checkable
class _Closeable(Protocol):
    async def aclose(self) -> None: ...


@asynccontextmanager
async def closing_pieces(source: AsyncIterator[bytes]) -> AsyncGenerator[AsyncIterator[bytes]]:
    """Close an async iterator at the end, where it can be closed."""
    try:
        yield source
    finally:
        if isinstance(source, _Closeable):
            await source.aclose()
