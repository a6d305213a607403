"""Header cards as JSON: of a file beside one that has no header of its own, or sent with it."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from entrepot.lib.fits import Card, FitsError, shown_name

__all__ = ["SUFFIX", "beside", "cards_beside", "parse_json_cards"]

SUFFIX = ".json"
MAX_BYTES = 1 << 20
LONGEST_KEYWORD = 80
LONGEST_NUMBER = 70
"""Digits: what a card of 80 characters has room for."""
ABSENT = (errno.ENOENT, errno.ENAMETOOLONG, errno.ENOTDIR)


def beside(name: str) -> list[str]:
    """Give the names of the files that may describe a file: ``x.pdf.json`` goes before ``x.json``."""
    names = (name + SUFFIX, name.partition(".")[0] + SUFFIX)
    return [one for one in dict.fromkeys(names) if one != name]


def cards_beside(path: Path) -> dict[str, Card] | None:
    """Read the cards beside a file; None if there are none.

    Raises `FitsError` if they can't be read, are over 1 MiB or aren't a JSON object of cards.
    """
    for name in beside(path.name):
        try:
            text = _read(path.parent / name)
        except OSError as error:
            if error.errno in ABSENT:
                continue
            raise FitsError(f"{shown_name(name)} can't be read: {error.strerror or error}.") from error
        return parse_json_cards(text, shown_name(name))
    return None


def _read(path: Path) -> bytes:
    # Non-blocking, so that a pipe can't hold the process; it means nothing to a file.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FitsError(f"{shown_name(path.name)} isn't a regular file.")
        return file.read(MAX_BYTES + 1)


def parse_json_cards(text: bytes, what: str, *, most: int = MAX_BYTES) -> dict[str, Card]:
    """Read a JSON object whose members are header cards: text, numbers, true, false and null.

    Raises `FitsError`, which calls it ``what``, for more than ``most`` bytes and for anything else.
    """
    if len(text) > most:
        raise FitsError(f"{what} has more than {most:,} bytes, the most that header cards may take.")
    try:
        found: object = json.loads(
            text.decode("utf-8-sig"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_real,
            parse_constant=_real,
        )
    except UnicodeDecodeError:
        raise FitsError(f"{what} isn't UTF-8, as JSON is.") from None
    except RecursionError:
        raise FitsError(f"{what} isn't a JSON object of header cards: it is nested too deep.") from None
    except ValueError as error:
        raise FitsError(f"{what} isn't a JSON object of header cards: {error}.") from None
    if not isinstance(found, dict):
        raise FitsError(f'{what} isn\'t a JSON object of header cards, such as {{"OBJECT": "M 31"}}.')
    cards = cast("dict[str, object]", found)
    return {keyword: _card(what, keyword, value) for keyword, value in cards.items()}


def _members(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"{shown_name(twice)} is in it twice")
    return members


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number has more than {LONGEST_NUMBER} digits")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} isn't a number that JSON has")
    return value


def _card(what: str, keyword: str, value: object) -> Card:
    name = shown_name(keyword)
    if not 0 < len(keyword) <= LONGEST_KEYWORD or not keyword.isprintable():
        raise FitsError(
            f"{what} has a card whose name, {name or 'empty'}, isn't 1 to 80 printable characters."
        )
    if isinstance(value, dict | list):
        raise FitsError(f"{what}: {name} needs a single value, not a list or an object.")
    if isinstance(value, str) and not value.isprintable():
        raise FitsError(f"{what}: {name} has control characters or others that can't be shown.")
    return cast("Card", value)
