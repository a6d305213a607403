"""FITS cards: the text of a header to values, and back (FITS Standard 4.0, section 4)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

Card: TypeAlias = bool | int | float | str | None

CARD = 80
BLOCK = 2880
LONGEST_TEXT = 68

_COMMENTARY = frozenset({"", "COMMENT", "HISTORY"})
# NUL and tab stand where a space was meant; not every database keeps other control characters in JSON.
_PRINTABLE = bytes(
    32 if code in (0, 9) else ord("?") if code < 32 or code == 127 else code for code in range(256)
)
_VALUE = re.compile(
    r"""\s*(?:
        '(?P<text>(?:[^']|'')*)'
      | (?P<logical>[TF])
      | (?P<integer>[+-]?[0-9]+)
      | (?P<real>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EeDd][+-]?[0-9]+)?)
      | (?P<complex>\([^()/']*\))
    )\s*(?:/.*)?$""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")


class FitsError(ValueError):
    """A file isn't FITS, ends early or lacks what is needed; the one sentence says what."""


def parse_cards(header: bytes) -> dict[str, Card]:
    """Read the cards of one header, up to and without END.

    Of a keyword that occurs twice the first value counts. COMMENT, HISTORY and blank cards are left
    out, HIERARCH and CONTINUE understood. A complex number is given as its text; a value that is
    undefined, infinite or can't be read is None. Text that isn't ASCII is taken as UTF-8, else Latin-1.
    """
    cards: dict[str, Card] = {}
    for keyword, value in _values(header.translate(_PRINTABLE).decode("latin-1")):
        cards.setdefault(keyword, value)
    return cards


def format_cards(cards: Iterable[tuple[str, Card]]) -> bytes:
    """Write a header: the cards, END, and spaces up to a multiple of 2880 bytes.

    None is written as an undefined value. Raises `FitsError` for a keyword or a value that a plain
    card can't hold: text over 68 characters (quotes count twice) or not ASCII, and NaN or infinity.
    """
    text = "".join(f"{_keyword(keyword)}= {_written(keyword, value):<70}" for keyword, value in cards)
    text += f"{'END':<{CARD}}"
    return text.encode("ascii").ljust(-(-len(text) // BLOCK) * BLOCK)


def number(cards: Mapping[str, Card], keyword: str) -> float | None:
    """Give a card's value if it is a number."""
    value = cards.get(keyword)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def integer(cards: Mapping[str, Card], keyword: str) -> int | None:
    """Give a card's value if it is an integer."""
    value = cards.get(keyword)
    return None if isinstance(value, bool) or not isinstance(value, int) else value


def _values(header: str) -> Iterator[tuple[str, Card]]:
    """Go through the cards with a value, long text joined."""
    keyword = ""
    value: Card = None
    pieces: list[str] = []
    for start in range(0, len(header), CARD):
        card = header[start : start + CARD]
        if card[:8] == "CONTINUE" and isinstance(value, str) and value.endswith("&"):
            more = _value(card[8:])
            pieces.append(value[:-1])
            value = more if isinstance(more, str) else ""
            continue
        if keyword:
            yield keyword, "".join((*pieces, value)) if isinstance(value, str) else value
        pieces.clear()
        keyword, value = _split(card)
    if keyword:
        yield keyword, "".join((*pieces, value)) if isinstance(value, str) else value


def _split(card: str) -> tuple[str, Card]:
    """Take a card apart; the keyword is empty if it has no value field."""
    keyword = card[:8].rstrip().upper()
    if keyword == "HIERARCH" and "=" in card:
        keyword, _, rest = card[8:].partition("=")
        return keyword.strip().upper(), _value(rest)
    if card[8:9] != "=" or keyword in _COMMENTARY:
        return "", None
    return keyword, _value(card[9:])


def _value(field: str) -> Card:
    """Read the value field of a card, without its comment."""
    match = _VALUE.match(field)
    if match is None:
        return None
    found = match[match.lastgroup or 0]
    match match.lastgroup:
        case "text":
            return _readable(found.replace("''", "'").rstrip(" "))
        case "logical":
            return found == "T"
        case "integer":
            return int(found)
        case "real":
            real = float(found.upper().replace("D", "E"))
            return real if math.isfinite(real) else None
        case _:
            return found


def _readable(text: str) -> str:
    """Decode text whose bytes were taken as Latin-1."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return "".join("?" if "\x80" <= character < "\xa0" else character for character in text)


def _keyword(keyword: str) -> str:
    if not _KEYWORD.fullmatch(keyword):
        raise FitsError(
            f"{keyword!r} can't be a FITS keyword: use up to 8 of A-Z, 0-9, hyphen and underscore."
        )
    return f"{keyword:<8}"


def _written(keyword: str, value: Card) -> str:
    """Write a value in the standard's fixed format."""
    match value:
        case None:
            return ""
        case bool():
            return f"{'T' if value else 'F':>20}"
        case str():
            quoted = value.replace("'", "''")
            if len(quoted) > LONGEST_TEXT or not (quoted.isascii() and quoted.isprintable()):
                raise FitsError(f"{keyword} needs up to {LONGEST_TEXT} printable ASCII characters.")
            return f"'{quoted:<8}'"
        case _:
            if not math.isfinite(value):
                raise FitsError(f"{keyword} needs a finite number.")
            return f"{value!r:>20}".upper()
