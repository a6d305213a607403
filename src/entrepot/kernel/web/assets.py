"""Static files: listed once, served from memory with entity tags, packed ones unpacked where needed."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from entrepot.kernel.errors import NotFound
from entrepot.kernel.web.files import file_response
from entrepot.kernel.web.headers import header
from entrepot.kernel.web.negotiation import accepts_coding
from entrepot.kernel.web.streaming import PIECE

__all__ = ["Asset", "StaticFiles"]

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
PACKED = ".gz"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """Bytes in memory that can be answered with; the entity tag is their checksum."""

    content: bytes
    media_type: str
    etag: str
    modified: datetime | None = None
    filename: str | None = None

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Asset:
        """Make one from its bytes."""
        return cls(content, media_type, hashlib.sha256(content).hexdigest()[:32])

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.content)

    async def open(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Give the bytes from ``start`` up to ``stop``."""
        for at in range(start, stop, PIECE):
            yield self.content[at : min(at + PIECE, stop)]


class StaticFiles:
    """The files below a folder, as they were when the application was made.

    Those below ``vendor/`` have their version in the path, and may be kept for ever; of others a
    browser asks whether they changed. ``name.gz`` is served as ``name``.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = {
            path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
        }
        self._assets: dict[tuple[str, bool], Asset] = {}

    async def answer(self, request: Request, path: str) -> Response:
        """Serve the file at ``path`` below the folder, as it stood in the URL; raises NotFound."""
        name = unquote(path)
        stored = name + PACKED if name + PACKED in self._paths else name
        if stored not in self._paths:
            raise NotFound("There is no such file.")
        headers = {"Cache-Control": FOR_EVER if name.startswith("vendor/") else ASK_AGAIN}
        packed = False
        if stored != name:
            headers["Vary"] = "Accept-Encoding"
            packed = accepts_coding(header(request.scope, b"accept-encoding"), "gzip")
            if packed:
                headers["Content-Encoding"] = "gzip"
        return file_response(
            request, await self._asset(name, stored, packed=packed), inline=True, headers=headers
        )

    async def _asset(self, name: str, stored: str, *, packed: bool) -> Asset:
        unpack = stored != name and not packed
        asset = self._assets.get((stored, unpack))
        if asset is None:
            asset = await asyncio.to_thread(_load, self._paths[stored], name, unpack=unpack)
            self._assets[stored, unpack] = asset
        return asset


def _load(path: Path, name: str, *, unpack: bool) -> Asset:
    content = path.read_bytes()
    media_type = MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
    return Asset.of(gzip.decompress(content) if unpack else content, media_type)
