"""The door for many frames as the tests use it: whole requests, and such as no HTTP library sends."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

from tests.modules.archive.door import Door
from tests.modules.archive.frames import posted, version

BULK = "/archive/frames/bulk"
Found = dict[str, Any]
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines_of(bodies: Iterable[object]) -> bytes:
    """Write bodies as lines of JSON."""
    return b"".join(json.dumps(body).encode() + b"\n" for body in bodies)


def parsed(text: str | bytes) -> list[dict[str, Any]]:
    """Read lines of JSON, each of which must end."""
    lines = text.decode() if isinstance(text, bytes) else text
    assert not lines or lines.endswith("\n"), lines[-200:]
    return [json.loads(line) for line in lines.split("\n")[:-1]]


async def bulk(
    door: Door, body: bytes | Iterable[object], who: Mapping[str, str] | None = None, **more: str
) -> list[dict[str, Any]]:
    """File lines and give the results; ``key`` is the idempotency key, the rest goes to the query."""
    headers = dict(await door.house.staff() if who is None else who) | NDJSON
    if "key" in more:
        headers["Idempotency-Key"] = more.pop("key")
    content = body if isinstance(body, bytes) else lines_of(body)
    answer = await door.client.post(BULK, content=content, headers=headers, params=more or None)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return parsed(answer.text)


@dataclass
class Exchange:
    """A request whose body comes in pieces, with what was answered by when."""

    app: ASGIApp
    headers: Mapping[str, str]
    sent: list[bytes] = field(default_factory=list)
    status: int | None = None
    taken: int = 0
    """How many pieces of the body were read."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, pieces: AsyncIterator[bytes], *, cut: bool = False, reads: bool = True) -> None:
        """Send the pieces; with ``cut`` the client then goes away, without ``reads`` it first sends all."""
        all_sent, coming = asyncio.Event(), aiter(pieces)

        async def receive() -> Message:
            async for piece in coming:
                self.taken += 1
                return {"type": "http.request", "body": piece, "more_body": True}
            if cut:
                return {"type": "http.disconnect"}
            if not all_sent.is_set():
                all_sent.set()
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            if not reads:
                await all_sent.wait()
            if message["type"] == "http.response.start":
                self.status = message["status"]
            else:
                self.sent.append(message.get("body", b""))
                self.moved.set()

        await self.app(_scope(self.headers), receive, send)

    async def has_sent(self, count: int) -> None:
        """Wait until so many pieces of the answer have come."""
        while len(self.sent) < count:
            self.moved.clear()
            await self.moved.wait()

    @property
    def results(self) -> list[dict[str, Any]]:
        return parsed(b"".join(self.sent))


def _scope(headers: Mapping[str, str]) -> dict[str, Any]:
    given = {"host": "archive.test", **NDJSON, **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": BULK,
        "raw_path": BULK.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("archive.test", 80),
        "state": {},
    }


async def in_pieces(body: bytes, sizes: Sequence[int] = (1000,)) -> AsyncIterator[bytes]:
    """Cut a body into pieces of these sizes, over and over."""
    place = turn = 0
    while place < len(body):
        size = sizes[turn % len(sizes)]
        yield body[place : place + size]
        place, turn = place + size, turn + 1


def stream(name: str, count: int) -> list[Found]:
    """Give lines of which some are refused, some have versions, and some further ones of others' frames."""
    bodies: list[Found] = []
    for number in range(count):
        body = posted(f"{name}-{number}")
        if number % 10 not in (2, 5):
            body["version_set"] = []
        if number % 10 == 3:
            body = posted(f"{name}-{number - 1}", version_set=[version(f"{name}-{number} more")])
        elif number % 10 == 5:
            body["site_id"] = "too long"
        bodies.append(body)
    return bodies


def plain(found: Found) -> Found:
    return {name: value for name, value in found.items() if name != "repeated"}
