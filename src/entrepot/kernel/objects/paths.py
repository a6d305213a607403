"""Which paths an object may have: what every store can take, and nothing that could escape."""

from __future__ import annotations

import unicodedata

from entrepot.kernel.errors import InvalidInput

LONGEST_PATH = 1024
LONGEST_SEGMENT = 255
_LONGEST_SHOWN = 80
# control characters, line and paragraph separators, halves of surrogate pairs
_REFUSED_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs"})


def shown(path: str) -> str:
    """Write a path so that it can stand in a sentence, whatever is in it."""
    return repr(path if len(path) <= _LONGEST_SHOWN else path[: _LONGEST_SHOWN - 1] + "…")


def check_object_path(path: str, *, longest: int = LONGEST_PATH) -> None:
    """Raise InvalidInput unless ``path`` is a relative path of plain segments, ``longest`` bytes at most."""
    fault = _fault(path, longest)
    if fault:
        raise InvalidInput(f"The path {shown(path)} can't be stored: {fault}.")


def _fault(path: str, longest: int) -> str | None:
    if not path:
        return "it is empty"
    if path.startswith("/"):
        return "it starts with a slash; paths are relative to the store"
    if "\\" in path:
        return "it has a backslash; parts are divided by '/'"
    if not (path.isascii() and path.isprintable()) and any(
        unicodedata.category(character) in _REFUSED_CATEGORIES for character in path
    ):
        return "it has a control character, a line break or half a character"
    if len(path.encode()) > longest:
        return f"it is longer than {longest} bytes"
    return next(filter(None, map(_fault_of_segment, path.split("/"))), None)


def _fault_of_segment(segment: str) -> str | None:
    if not segment:
        return "a part between slashes is empty"
    if segment in {".", ".."}:
        return f"{segment!r} is not allowed as a part of it"
    if segment != segment.strip():
        return "a part starts or ends with a space"
    if len(segment.encode()) > LONGEST_SEGMENT:
        return f"a part is longer than {LONGEST_SEGMENT} bytes"
    return None
