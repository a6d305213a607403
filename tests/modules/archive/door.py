"""The archive's HTTP door as the tests use it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from tests.modules.archive.frames import posted
from tests.services.house import OpenHouse

FRAMES = "/archive/frames/"
VERSIONS = "/archive/versions/"
THUMBNAILS = "/archive/thumbnails/"

Headers = Mapping[str, str]
NOBODY: Headers = {}


@dataclass(frozen=True)
class Door:
    """A running archive; ``who`` is the headers of the caller, staff where it is left out."""

    house: OpenHouse

    @property
    def client(self) -> httpx.AsyncClient:
        return self.house.client

    @property
    def app(self) -> ASGIApp:
        return self.client._transport.app

    async def get(self, path: str, who: Headers | None = None, **params: Any) -> httpx.Response:
        headers = await self.house.staff() if who is None else who
        return await self.client.get(path, params=params or None, headers=headers)

    async def post(self, path: str, body: object, who: Headers | None = None) -> httpx.Response:
        headers = await self.house.staff() if who is None else who
        return await self.client.post(path, json=body, headers=headers)

    async def file(self, basename: str, **changes: Any) -> dict[str, Any]:
        """File a frame; gives the answer."""
        answer = await self.post(FRAMES, posted(basename, **changes))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def detail(self, frame_id: int, who: Headers | None = None) -> dict[str, Any]:
        answer = await self.get(f"{FRAMES}{frame_id}/", who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def page(self, query: str = "", who: Headers | None = None) -> dict[str, Any]:
        """Give the page of frames that a query string asks for."""
        answer = await self.get(f"{FRAMES}?{query}", who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(self, query: str = "", who: Headers | None = None) -> list[str]:
        """Give the basenames on the page that a query string asks for."""
        return names(await self.page(query, who))


def names(page: Mapping[str, Any]) -> list[str]:
    """Give the basenames on a page."""
    return [one["basename"] for one in page["results"]]


@dataclass(frozen=True)
class RawAnswer:
    """What came back from a request that no HTTP library would send."""

    status: int
    headers: dict[str, str]
    body: bytes


async def raw_request(
    app: ASGIApp,
    method: str,
    path: bytes,
    query: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
) -> RawAnswer:
    """Send exactly these bytes as path, query and body, past all that a client library mends."""
    sent: list[Message] = []
    incoming = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(incoming, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"archive.test"), (b"content-length", str(len(body)).encode()), *headers],
        "client": ("127.0.0.1", 40000),
        "server": ("archive.test", 80),
        "state": {},
    }
    await app(scope, receive, send)
    start = sent[0]
    return RawAnswer(
        start["status"],
        {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def sentences(found: object) -> list[str]:
    """Give the sentences of a failure, however they are nested."""
    if isinstance(found, str):
        return [found]
    parts = found.values() if isinstance(found, dict) else found
    return [sentence for part in parts for sentence in sentences(part)]


def assert_one_sentence_each(found: object) -> None:
    """Check that a failure is in the contract's shape: an object of short sentences, no traceback.

    About regions of the sky the contract has an array of one sentence.
    """
    if isinstance(found, list):
        assert len(found) == 1, found
        assert found[0].startswith("Error with "), found
    else:
        assert isinstance(found, dict), found
    assert found
    said = sentences(found)
    assert said, found
    for sentence in said:
        assert 0 < len(sentence) < 400, sentence
        assert "\n" not in sentence, sentence
        assert not re.search(r"Traceback|sqlalchemy|asyncpg|sqlite3|Error\(", sentence), sentence
