"""What goes to the database, written down where nothing passes by: PostgreSQL's door, SQLite's own trace."""

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import Pool

SETTLE = 0.005
"""Seconds for what a call leaves behind it, such as the end of a transaction."""
BEFORE_START = (80877102, 80877103, 80877104)  # requests to cancel, for TLS, for GSS


class Statements(list[str]):
    """The statements since the last look, transactions too, each shortened to its beginning."""

    def add(self, statement: str) -> None:
        self.append(" ".join(statement.split())[:80])

    @asynccontextmanager
    async def at_most(self, most: int, what: object = "") -> AsyncIterator[None]:
        """Check how many statements what happens inside takes."""
        await asyncio.sleep(SETTLE)
        self.clear()
        yield
        await asyncio.sleep(SETTLE)
        assert len(self) <= most, (what, *self)


@contextmanager
def traced_sqlite(statements: Statements) -> Iterator[None]:
    """Write down what the connections execute that are made inside, for as long as they live.

    SQLite tells of a statement again for each trigger that it sets off, and of what virtual tables do.
    """

    def attach(connection: Any, _: object) -> None:
        last = ""

        def add(text: str) -> None:
            nonlocal last
            if text != last and not text.startswith("--"):
                last = text
                statements.add(text)

        connection.run_async(lambda driver: driver.set_trace_callback(add))

    event.listen(Pool, "connect", attach)
    try:
        yield
    finally:
        event.remove(Pool, "connect", attach)


@asynccontextmanager
async def traced_postgresql(url: str, statements: Statements) -> AsyncIterator[str]:
    """Give another URL of a PostgreSQL database, by which every statement is written down."""
    target = make_url(url)
    pumps: set[asyncio.Task[None]] = set()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.host, target.port or 5432)
        pumps.update((task := asyncio.create_task(_copy(there, writer)), asyncio.current_task() or task))
        await _listen(reader, back, statements)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        server.close()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def _listen(reader: StreamReader, writer: StreamWriter, statements: Statements) -> None:
    """Pass on what a client sends, message by message, noting those that execute something."""
    prepared: dict[bytes, bytes] = {}
    portals: dict[bytes, bytes] = {}
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        started = False
        while not started:
            length = await reader.readexactly(4)
            rest = await reader.readexactly(struct.unpack("!I", length)[0] - 4)
            started = struct.unpack("!I", rest[:4])[0] not in BEFORE_START
            writer.write(length + rest)
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            writer.write(head + body)
            kind, (first, second, *_) = head[:1], (*body.split(b"\0", 2), b"", b"")
            if kind == b"Q":
                statements.add(first.decode())
            elif kind == b"P":
                prepared[first] = second
            elif kind == b"B":
                portals[first] = prepared.get(second, b"?")
            elif kind == b"E":
                statements.add(portals.get(first, b"?").decode())
    writer.close()
