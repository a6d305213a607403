"""Where a page of frames starts, as the token of keyset paging."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import cast

from entrepot.kernel.errors import NotFound
from entrepot.kernel.paging import read_token, write_token
from entrepot.modules.archive.models import FrameQuery, ListedFrame

__all__ = ["read_cursor", "write_cursor"]

MOMENTS = ("observation_date",)


def write_cursor(query: FrameQuery, row: ListedFrame, *, backwards: bool, secret: bytes) -> str:
    """Make the token of the page behind ``row``, or before it."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in row.sort_values]
    return write_token([_order(query), values, row.id, backwards], secret)


def read_cursor(token: str, query: FrameQuery, secret: bytes) -> FrameQuery:
    """Give the query of the page that a token stands for; raises NotFound for what isn't one of ours."""
    try:
        place = cast("tuple[str, list[object], int, bool]", read_token(token, secret))
    except ValueError:
        raise NotFound("Invalid cursor") from None
    order, values, row_id, backwards = place
    if order != _order(query):
        raise NotFound("Invalid cursor")
    after = [_value(name, value) for (name, _), value in zip(query.order, values, strict=True)]
    return replace(query, after=(*after, row_id), backwards=backwards, offset=0)


def _value(name: str, value: object) -> object:
    return datetime.fromisoformat(cast("str", value)) if name in MOMENTS else value


def _order(query: FrameQuery) -> str:
    return ",".join(f"-{name}" if down else name for name, down in query.order)
