"""Streams of bytes in pieces of one size, so that memory stays flat and each trip to a thread pays."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from entrepot.kernel.objects.threads import Threads

PIECE = 1 << 20
"""Bytes in a piece that is read, hashed, written or sent at once."""


async def regrouped(pieces: AsyncIterator[bytes], size: int = PIECE) -> AsyncGenerator[bytes, None]:
    """Yield the same bytes in pieces of ``size``, the last one shorter; none is empty."""
    waiting: list[bytes] = []
    held = 0
    async for piece in pieces:
        taken = 0
        while len(piece) - taken >= size - held:
            waiting.append(piece[taken : taken + size - held])
            taken += size - held
            yield b"".join(waiting)
            waiting.clear()
            held = 0
        if taken < len(piece):
            waiting.append(piece[taken:])
            held += len(piece) - taken
    if waiting:
        yield b"".join(waiting)


async def pieces_of(file: Path, threads: Threads) -> AsyncGenerator[bytes, None]:
    """Read a file of this machine from its beginning to its end."""
    opened = await threads.finish(file.open, "rb", buffering=0)
    try:
        while piece := await threads.finish(opened.read, PIECE):
            yield piece
    finally:
        opened.close()


def check_span(start: int, stop: int | None) -> None:
    """Refuse a range of bytes that no caller can mean."""
    if start < 0 or (stop is not None and stop < start):
        raise ValueError(f"a range runs from 0 upwards: {start} to {stop}")
