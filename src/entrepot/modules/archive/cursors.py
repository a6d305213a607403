"""The opaque tokens of keyset paging: where a page starts, signed so that nobody can make one up."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import datetime
from typing import cast

from entrepot.kernel.errors import NotFound
from entrepot.modules.archive.models import FrameQuery, ListedFrame

__all__ = ["read_cursor", "write_cursor"]

SIGNATURE_BYTES = 12
MOMENTS = ("observation_date",)


def write_cursor(query: FrameQuery, row: ListedFrame, *, backwards: bool, secret: bytes) -> str:
    """Make the token of the page behind ``row``, or before it."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in row.sort_values]
    body = json.dumps([_order(query), values, row.id, backwards], separators=(",", ":")).encode()
    return urlsafe_b64encode(_signature(body, secret) + body).decode().rstrip("=")


def read_cursor(token: str, query: FrameQuery, secret: bytes) -> FrameQuery:
    """Give the query of the page that a token stands for; raises NotFound for what isn't one of ours."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        signature, body = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, _signature(body, secret)):
            raise ValueError
        order, values, row_id, backwards = cast("tuple[str, list[object], int, bool]", json.loads(body))
    except ValueError:
        raise NotFound("Invalid cursor") from None
    if order != _order(query):
        raise NotFound("Invalid cursor")
    after = [_value(name, value) for (name, _), value in zip(query.order, values, strict=True)]
    return replace(query, after=(*after, row_id), backwards=backwards, offset=0)


def _value(name: str, value: object) -> object:
    return datetime.fromisoformat(cast("str", value)) if name in MOMENTS else value


def _order(query: FrameQuery) -> str:
    return ",".join(f"-{name}" if down else name for name, down in query.order)


def _signature(body: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(body, key=secret[:64], digest_size=SIGNATURE_BYTES, person=b"cursor").digest()
