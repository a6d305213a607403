"""Files to upload, as clients send them."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
from starlette.types import ASGIApp, Message

from entrepot.lib.fits.cards import Card, format_cards
from tests.modules.archive.door import NOBODY, Door, Headers
from tests.modules.archive.ingest_cli.holdings import objects_of
from tests.services.frames import frames_folder
from tests.services.house import House

CARDS: dict[str, Card] = {
    "PROPID": "PROP-1",
    "DATE-OBS": "2025-03-04T05:06:07.890",
    "DAY-OBS": "20250304",
    "INSTRUME": "sq33",
    "SITEID": "ogg",
    "TELID": "0m4a",
    "OBSTYPE": "EXPOSE",
    "BLKUID": 123456,
    "OBJECT": "M 31",
    "RLEVEL": 0,
}
REAL = sorted(path.name for path in frames_folder().iterdir() if path.is_file())
WITHOUT_HEADERS = (".pdf", ".jpg")


def fits(size: int = 2880, *, without: tuple[str, ...] = (), **cards: Card) -> bytes:
    """Make a FITS file unlike any other, with about so many bytes of data; ``DATE_OBS`` is DATE-OBS."""
    shape: dict[str, Card] = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 1, "NAXIS1": size}
    changed = shape | CARDS | {name.replace("_", "-"): value for name, value in cards.items()}
    kept = {name: value for name, value in changed.items() if name not in without}
    data = secrets.token_bytes(min(size, 64)).ljust(size, b"\0")
    return format_cards(kept.items()) + data + b"\0" * (-size % 2880)


def real_file(name: str) -> tuple[bytes, Headers]:
    """Give a real file, and the headers that it needs to be uploaded."""
    content = (frames_folder() / name).read_bytes()
    return content, metadata(CARDS) if name.endswith(WITHOUT_HEADERS) else {}


def metadata(cards: object) -> Headers:
    """Give the header with cards."""
    return {"X-Entrepot-Metadata": json.dumps(cards)}


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    """Give the member of a Repr-Digest."""
    found = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(found).decode()}:"


async def put(
    door: Door,
    name: str,
    content: bytes | AsyncIterator[bytes],
    headers: Headers = NOBODY,
    who: Headers | None = None,
) -> httpx.Response:
    """Upload a file."""
    caller = await door.house.staff() if who is None else who
    path = f"/archive/upload/{quote(name, safe='')}"
    return await door.client.put(path, content=content, headers={**caller, **headers})


async def uploaded(door: Door, name: str, content: bytes, headers: Headers = NOBODY) -> dict[str, Any]:
    """Upload a file and insist on success."""
    answer = await put(door, name, content, headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def download(door: Door, version: Mapping[str, Any]) -> bytes:
    """Give the bytes of a version."""
    answer = await door.client.get(version["url"], headers=await door.house.staff(), follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return answer.content


def spooled(door: Door) -> list[str]:
    """List what lies in the spool."""
    folder = door.house.context.settings.data_dir / "spool"
    return [one.name for one in folder.iterdir()] if folder.exists() else []


async def holdings(house: House, door: Door) -> tuple[int, list[str], list[str]]:
    """Tell how many versions there are, and list the objects in the store and what is in the spool."""
    found = await door.get("/archive/versions/", limit="1")
    return found.json()["count"], objects_of(house), spooled(door)


async def raw_put(
    app: ASGIApp,
    name: str,
    who: Headers,
    messages: AsyncIterator[Message],
    headers: Headers = NOBODY,
) -> tuple[int, dict[str, str], bytes]:
    """Upload what the messages give, as a server would hand it over: status, headers, body."""
    sent: list[Message] = []

    async def receive() -> Message:
        return await anext(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"Host": "archive.test", **who, **headers}
    path = f"/archive/upload/{quote(name, safe='')}"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(key.lower().encode(), value.encode()) for key, value in given.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("archive.test", 80),
        "state": {},
    }
    await app(scope, receive, send)
    answered = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])


def piece(body: bytes, *, more: bool = True) -> Message:
    """Make a message of a body."""
    return {"type": "http.request", "body": body, "more_body": more}
