"""What pages of lists have in common: page sizes, offsets, and the signed tokens of keyset paging."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

__all__ = ["FARTHEST", "read_limit", "read_offset", "read_token", "write_token"]

SIGNATURE_BYTES = 12
MOST_DIGITS = 19
FARTHEST = 2**62
"""Behind the end of any list, and with a page added still a number of the databases."""


def read_limit(text: str, *, default: int, most: int) -> int:
    """Read a page size: too large is cut to ``most``, and what isn't one means ``default``."""
    value = read_offset(text)
    return min(value, most) if value else default


def read_offset(text: str) -> int:
    """Read an offset; what isn't one means the start."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()):
        return 0
    return min(int(digits[-MOST_DIGITS:]), FARTHEST) if len(digits.lstrip("0")) <= MOST_DIGITS else FARTHEST


def write_token(place: object, secret: bytes) -> str:
    """Make the opaque token of a place in a list (any JSON), signed so that nobody can make one up."""
    body = json.dumps(place, separators=(",", ":")).encode()
    return urlsafe_b64encode(_signature(body, secret) + body).decode().rstrip("=")


def read_token(token: str, secret: bytes) -> object:
    """Give the place that a token stands for; raises ValueError for what isn't one of ours."""
    raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    signature, body = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, secret)):
        raise ValueError("the token isn't signed by us")
    return json.loads(body)


def _signature(body: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(body, key=secret[:64], digest_size=SIGNATURE_BYTES, person=b"cursor").digest()
