"""File names in headers (RFC 6266, RFC 8187): safe whatever the name is."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from anyascii import anyascii

__all__ = ["content_disposition", "safe_filename"]

ATTR_CHARS = "!#$&+-.^_`|~"


def safe_filename(name: str) -> str:
    """Make a name that is one path part on one line.

    Separators, control and format characters become ``_``; other white space becomes a space.
    """
    safe = "".join(map(_safe_char, name)).strip()
    return safe if safe.strip(". ") else "file"


def _safe_char(char: str) -> str:
    category = unicodedata.category(char)
    if char in "/\\" or category[0] == "C" or category in ("Zl", "Zp"):
        return "_"
    return " " if category == "Zs" else char


def content_disposition(filename: str, *, inline: bool = False) -> str:
    """Give a Content-Disposition: an ASCII name for all, and ``filename*`` where that isn't the name."""
    name = safe_filename(filename)
    plain = "".join(char if char not in '"\\/%' and " " <= char <= "~" else "_" for char in anyascii(name))
    kind = "inline" if inline else "attachment"
    if plain == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=ATTR_CHARS)}"
