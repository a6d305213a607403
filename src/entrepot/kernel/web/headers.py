"""Reading and merging raw ASGI headers."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope

__all__ = ["Headers", "header", "merge_vary"]

Headers = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes) -> bytes | None:
    """Give the first header called ``name`` (lower-case), or None."""
    headers: Headers = scope["headers"]
    for key, value in headers:
        if key == name:
            return value
    return None


def merge_vary(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> Headers:
    """Copy the headers with ``name`` among the fields of one ``Vary``."""
    kept: Headers = []
    fields: list[bytes] = []
    for key, value in headers:
        if key == b"vary":
            fields += [field for part in value.split(b",") if (field := part.strip())]
        else:
            kept.append((key, value))
    if not fields:
        kept.append((b"vary", name))
    elif b"*" in fields or name.lower() in [field.lower() for field in fields]:
        kept.append((b"vary", b", ".join(fields)))
    else:
        kept.append((b"vary", b", ".join((*fields, name))))
    return kept
