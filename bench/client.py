"""A keep-alive HTTP client that costs next to nothing, so that what it measures is the server."""

import socket
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"
BUFFER = 1 << 20
TIME_LIMIT = 120.0


def request_bytes(
    method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """Write a request."""
    fields = {"Host": "127.0.0.1", "Accept": "application/json", **(headers or {})}
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + body


class Connection:
    """One connection to a server; answers must have a Content-Length."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), TIME_LIMIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def seconds(self, request: bytes, status: int = 200) -> float:
        """Time a request from the first byte sent to the last one received; the body is thrown away."""
        began = time.perf_counter()
        self._socket.sendall(request)
        found, held, length = self._head()
        left = length - held
        while left > 0:
            left -= self._receive(0)
        took = time.perf_counter() - began
        if found != status:
            raise RuntimeError(f"answered {found} instead of {status} to {request[:300]!r}")
        return took

    def body(self, request: bytes) -> tuple[int, bytes]:
        """Give status and body of an answer."""
        self._socket.sendall(request)
        status, held, length = self._head()
        kept = bytearray(self._view[self._start : self._start + held])
        while len(kept) < length:
            kept += self._view[: self._receive(0)]
        return status, bytes(kept)

    def _head(self) -> tuple[int, int, int]:
        """Read up to the body; give status, how much of the body has come already, and its length."""
        filled = 0
        while (end := self._buffer.find(HEAD_END, 0, filled)) < 0:
            filled += self._receive(filled)
        self._start = end + len(HEAD_END)
        head = bytes(self._view[:end]).lower()
        _, _, rest = head.partition(b"\r\ncontent-length:")
        return int(head[9:12]), filled - self._start, int(rest.partition(b"\r\n")[0])

    def _receive(self, at: int) -> int:
        got = self._socket.recv_into(self._view[at:])
        if not got:
            raise RuntimeError("the server closed the connection")
        return got
