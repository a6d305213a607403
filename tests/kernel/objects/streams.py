"""Bytes to store, and bytes read back."""

import hashlib
import random
import zlib
from collections.abc import AsyncIterator

from entrepot.kernel.objects import Checksums

MIB = 1 << 20


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def stream(content: bytes, size: int = MIB) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def failing(content: bytes, failure: BaseException) -> AsyncIterator[bytes]:
    async for piece in stream(content):
        yield piece
    raise failure


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def sums(content: bytes) -> Checksums:
    return Checksums(
        len(content),
        zlib.crc32(content),
        hashlib.md5(content).hexdigest(),
        hashlib.sha256(content).hexdigest(),
    )
