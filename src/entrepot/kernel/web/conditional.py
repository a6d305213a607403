"""Conditional requests (RFC 9110 §13): validators, and what the conditions on them come to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum
from typing import Literal

from starlette.types import Scope

__all__ = [
    "ETag",
    "Verdict",
    "conditions",
    "evaluate",
    "http_date",
    "parse_etags",
    "parse_http_date",
    "range_holds",
]

CONDITIONS = {
    name.encode(): name
    for name in (
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "if-range",
        "range",
    )
}
OPAQUE = re.compile(r"[\x21\x23-\x7e\x80-\xff]*")
TAG = re.compile(r'\s*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*)?(?:,|$)')
LONGEST = 8192
"""Characters that a list of entity tags may have."""


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag; ``value`` is without quotes. Raises ValueError for what can't be quoted."""

    value: str
    weak: bool = False

    def __post_init__(self) -> None:
        if not OPAQUE.fullmatch(self.value):
            raise ValueError(
                f"An entity tag can't hold {self.value!r}: visible characters without quotes only."
            )

    def __str__(self) -> str:
        return f'W/"{self.value}"' if self.weak else f'"{self.value}"'


class Verdict(Enum):
    """What the conditions of a request come to."""

    PROCEED = "proceed"
    NOT_MODIFIED = "not modified"
    FAILED = "failed"


def conditions(scope: Scope) -> dict[str, str]:
    """Give a request's conditions and Range by lower-case name; the lines of a list are joined."""
    found: dict[str, str] = {}
    for key, value in scope["headers"]:
        if (name := CONDITIONS.get(key)) is not None:
            text = value.decode("latin-1")
            found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def parse_etags(header: str) -> tuple[ETag, ...] | Literal["*"]:
    """Read the list of If-Match and If-None-Match.

    A list that is malformed or has over 8,192 characters is empty and matches nothing.
    """
    if len(header) > LONGEST:
        return ()
    if header.strip() == "*":
        return "*"
    tags: list[ETag] = []
    at = 0
    while at < len(header):
        found = TAG.match(header, at)
        if found is None:
            return ()
        if found[2] is not None:
            tags.append(ETag(found[2], weak=found[1] is not None))
        at = found.end()
    return tuple(tags)


def evaluate(
    method: str,
    headers: Mapping[str, str],
    etag: ETag | None,
    modified: datetime | None,
    *,
    exists: bool = True,
) -> Verdict:
    """Weigh a request's conditions against the current validators, in the order of RFC 9110 §13.2.2.

    ``headers`` looks names up in lower case; ``exists`` is False where there is no representation yet.
    """
    if (wanted := headers.get("if-match")) is not None:
        if not _matches(wanted, etag, exists=exists, weakly=False):
            return Verdict.FAILED
    elif (since := _date(headers, "if-unmodified-since")) and modified and _seconds(modified) > since:
        return Verdict.FAILED
    reads = method in ("GET", "HEAD")
    if (known := headers.get("if-none-match")) is not None:
        if _matches(known, etag, exists=exists, weakly=True):
            return Verdict.NOT_MODIFIED if reads else Verdict.FAILED
    elif (
        reads and (since := _date(headers, "if-modified-since")) and modified and _seconds(modified) <= since
    ):
        return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def range_holds(if_range: str | None, etag: ETag | None, modified: datetime | None) -> bool:
    """Tell whether If-Range lets the Range through: the same strong tag, or exactly the same date."""
    if if_range is None:
        return True
    text = if_range.strip()
    if text.startswith(('"', "W/")):
        return etag is not None and not etag.weak and text == str(etag)
    date = parse_http_date(text)
    return date is not None and modified is not None and _seconds(modified) == date


def http_date(moment: datetime) -> str:
    """Write an HTTP date; a naive moment is taken as UTC."""
    return format_datetime(_seconds(moment), usegmt=True)


def parse_http_date(text: str) -> datetime | None:
    """Read an HTTP date in any of its three forms, as UTC; None if it isn't one."""
    try:
        moment = parsedate_to_datetime(text)
        return _seconds(moment)
    except (ValueError, TypeError, OverflowError):
        return None


def _matches(header: str, etag: ETag | None, *, exists: bool, weakly: bool) -> bool:
    tags = parse_etags(header)
    if tags == "*":
        return exists
    if etag is None or not exists:
        return False
    return any(tag.value == etag.value and (weakly or not (tag.weak or etag.weak)) for tag in tags)


def _date(headers: Mapping[str, str], name: str) -> datetime | None:
    text = headers.get(name)
    return parse_http_date(text) if text else None


def _seconds(moment: datetime) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(microsecond=0)
