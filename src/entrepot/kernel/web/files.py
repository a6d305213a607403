"""Answering with bytes that something stores: whole, by range, or not at all if nothing changed."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from entrepot.kernel.errors import PreconditionFailed
from entrepot.kernel.web.conditional import ETag, Verdict, conditions, evaluate, http_date, range_holds
from entrepot.kernel.web.disposition import content_disposition
from entrepot.kernel.web.ranges import ByteRange, parse_ranges
from entrepot.kernel.web.streaming import PiecesResponse, closing_pieces

__all__ = ["ByteSource", "file_response"]

MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:[ \t]*;[ \t]*[\x21-\x7e][\x20-\x7e]*)?", re.ASCII)
ANY_TYPE = "application/octet-stream"


class ByteSource(Protocol):
    """Something that can be read as bytes, and whose bytes don't change under its ``etag``."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...

    @property
    def etag(self) -> str | None:
        """The strong entity tag without quotes; None if there is none, and then there are no ranges."""
        ...

    @property
    def modified(self) -> datetime | None:
        """When it last changed."""
        ...

    @property
    def media_type(self) -> str:
        """The media type."""
        ...

    @property
    def filename(self) -> str | None:
        """The name to save it under, or None."""
        ...

    def open(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Read the bytes from ``start`` up to, but without, ``stop``, in pieces of at most 1 MiB."""
        ...


def file_response(
    request: Request,
    content: ByteSource,
    *,
    inline: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer GET or HEAD with the bytes: 200, 206 (one part or multipart/byteranges) or 304.

    ``headers`` go out with each of them. Raises PreconditionFailed and RangeNotSatisfiable.
    """
    asked = conditions(request.scope)
    etag = ETag(content.etag) if content.etag is not None else None
    common = {**(headers or {}), **_validators(etag, content.modified)}
    verdict = evaluate(request.method, asked, etag, content.modified)
    if verdict is Verdict.FAILED:
        raise PreconditionFailed("It has changed since the version that the request names.", headers=common)
    if verdict is Verdict.NOT_MODIFIED:
        return Response(status_code=304, headers=common)
    common["Accept-Ranges"] = "bytes" if etag else "none"
    if content.filename is not None:
        common["Content-Disposition"] = content_disposition(content.filename, inline=inline)
    ranges: tuple[ByteRange, ...] = ()
    wanted = asked.get("range")
    may_part = etag is not None and request.method == "GET"
    if wanted and may_part and range_holds(asked.get("if-range"), etag, content.modified):
        ranges = parse_ranges(wanted, content.size)
    return _answer(content, ranges, common)


def _answer(content: ByteSource, ranges: Sequence[ByteRange], headers: dict[str, str]) -> Response:
    media_type = content.media_type if MEDIA_TYPE.fullmatch(content.media_type) else ANY_TYPE
    if len(ranges) > 1:
        return _multipart(content, ranges, headers, media_type)
    headers["Content-Type"] = media_type
    part = ranges[0] if ranges else ByteRange(0, content.size)
    if ranges:
        headers["Content-Range"] = part.content_range(content.size)
    return PiecesResponse(
        content.open(part.start, part.stop),
        status=206 if ranges else 200,
        headers=headers,
        size=part.stop - part.start,
    )


def _multipart(
    content: ByteSource, ranges: Sequence[ByteRange], headers: dict[str, str], media_type: str
) -> Response:
    boundary = secrets.token_hex(12)
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
        f"Content-Range: {part.content_range(content.size)}\r\n\r\n".encode("ascii")
        for part in ranges
    ]
    end = f"\r\n--{boundary}--\r\n".encode("ascii")

    async def pieces() -> AsyncIterator[bytes]:
        for head, part in zip(heads, ranges, strict=True):
            yield head
            async with closing_pieces(content.open(part.start, part.stop)) as source:
                async for piece in source:
                    yield piece
        yield end

    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    size = sum(map(len, heads)) + sum(part.stop - part.start for part in ranges) + len(end)
    return PiecesResponse(pieces(), status=206, headers=headers, size=size)


def _validators(etag: ETag | None, modified: datetime | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if etag:
        found["ETag"] = str(etag)
    if modified:
        found["Last-Modified"] = http_date(modified)
    return found
