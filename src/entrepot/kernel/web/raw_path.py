"""Routing on the path as it was sent: a segment is decoded once, after the match."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from entrepot.kernel.errors import InvalidInput

__all__ = ["RawPathMiddleware", "SegmentConvertor", "normal_path", "register_convertors"]

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
PLAIN = re.compile(rb"/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*")
TO_NORMALISE = re.compile(rb"%([0-9A-Fa-f]{2})?|[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]")
ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)


class SegmentConvertor(Convertor[str]):
    """One path segment, percent-decoded to text: ``{name:segment}`` in a route; may hold a ``/``."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Decode the segment as it stood in the path."""
        return unquote(value)

    def to_string(self, value: str) -> str:
        """Encode text as a segment."""
        return quote(value, safe="")


def register_convertors() -> None:
    """Make ``{name:segment}`` known to Starlette; to be called before routes are made."""
    register_url_convertor("segment", SegmentConvertor())


def normal_path(raw: bytes) -> str:
    """Normalise a raw path (RFC 3986 §6.2.2): unreserved characters decoded, ``%XX`` upper-cased.

    What isn't allowed bare in a path is percent-encoded. Raises InvalidInput for a path that isn't
    absolute, bad percent sequences, raw control characters, NUL, and bytes that aren't UTF-8.
    """
    if PLAIN.fullmatch(raw):
        return raw.decode("ascii")
    path = raw.partition(b"?")[0] or b"/"
    if not path.startswith(b"/"):
        raise InvalidInput("The request target must be a path that starts with a slash.", where="path")
    path = TO_NORMALISE.sub(_normalise, path)
    decoded = unquote_to_bytes(path)
    if b"\0" in decoded:
        raise InvalidInput("The path holds a NUL character, which no name here may have.", where="path")
    try:
        decoded.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("The path must be UTF-8 when it is percent-decoded.", where="path") from error
    return path.decode("ascii")


def _normalise(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if found == b"%":
        raise InvalidInput("Each % in the path must be followed by two hexadecimal digits.", where="path")
    if len(found) == 1:
        if found < b" " or found in b"\x7f#":
            raise InvalidInput("The path holds a character that must be percent-encoded.", where="path")
        return b"%%%02X" % found[0]
    byte = int(match[1], 16)
    return bytes((byte,)) if byte in UNRESERVED else found.upper()


class RawPathMiddleware:
    """Sets ``scope["path"]`` to the normalised raw path.

    An absolute-form target (``http://host/path``) gives the path, and its host replaces ``Host``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Normalise, then pass on."""
        if scope["type"] != "lifespan":
            raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
            if not raw.startswith(b"/") and (absolute := ABSOLUTE.fullmatch(raw)):
                _replace_host(scope, absolute[1])
                raw = absolute[2].partition(b"?")[0] or b"/"
            scope["path"] = "*" if raw == b"*" and scope.get("method") == "OPTIONS" else normal_path(raw)
        await self.app(scope, receive, send)


def _replace_host(scope: Scope, host: bytes) -> None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    scope["headers"] = [(b"host", host), *((name, value) for name, value in headers if name != b"host")]
