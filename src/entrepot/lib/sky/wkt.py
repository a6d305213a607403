"""Geometries as well-known text (OGC 06-103r4, ch. 7), also with an SRID before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from .shapes import KINDS, Drawing, Position, refuse_depth
from .sphere import GeometryError

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[a-z]+)|(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)|(?P<mark>[(),;=]))",
    re.IGNORECASE | re.ASCII,
)
_SYSTEMS = (0, 4326)
_DIMENSIONS = ("", "Z", "M", "ZM")

_Part = TypeVar("_Part")


def draw_wkt(text: str, drawing: Drawing) -> None:
    """Read a geometry into a drawing; raises `GeometryError` for anything else."""
    reader = _Reader(text, drawing)
    reader.system()
    reader.geometry(0)
    reader.end()


class _Reader:
    """Reads token by token, each once."""

    def __init__(self, text: str, drawing: Drawing) -> None:
        self._text = text
        self._drawing = drawing
        self._place = 0
        self._next = 0
        self._kind: str | None = None
        self._token = ""
        self._advance()
        self._readers: dict[str, Callable[[], None]] = {
            "POINT": lambda: drawing.point(self._only(self._position)),
            "LINESTRING": lambda: drawing.line(self._list(self._position)),
            "POLYGON": lambda: drawing.polygon(self._list(self._ring)),
            "MULTIPOINT": lambda: self._each(lambda: drawing.point(self._point_of_many())),
            "MULTILINESTRING": lambda: self._each(lambda: drawing.line(self._list(self._position))),
            "MULTIPOLYGON": lambda: self._each(lambda: drawing.polygon(self._list(self._ring))),
        }
        self._kinds = (*self._readers, "GEOMETRYCOLLECTION")

    def system(self) -> None:
        """Pass over "SRID=4326;"."""
        if self._token.upper() != "SRID":
            return
        self._advance()
        self._expect("=")
        digits = self._take("number", "a number")
        if not digits.isdecimal() or len(digits) > 9 or int(digits) not in _SYSTEMS:
            raise GeometryError(
                f"SRID {digits[:20]} isn't supported: give RA and Dec in degrees, with SRID=4326 or none."
            )
        self._expect(";")

    def geometry(self, depth: int) -> None:
        """Read one geometry of any kind."""
        refuse_depth(depth)
        kind = self._named()
        if self._token.upper() == "EMPTY":
            raise GeometryError("An EMPTY geometry covers nothing: give one with at least one position.")
        if kind == "GEOMETRYCOLLECTION":
            self._each(lambda: self.geometry(depth + 1))
        else:
            self._readers[kind]()

    def end(self) -> None:
        """Refuse what follows."""
        if self._kind is not None:
            self._fail("the end of the text")

    def _named(self) -> str:
        """Read a geometry's kind and dimension: POINT, POINT Z, POINTZ."""
        name = self._token.upper()
        kind = next((kind for kind in self._kinds if name in {kind + part for part in _DIMENSIONS}), None)
        if kind is None:
            self._fail(f"one of {KINDS}")
        self._advance()
        if name == kind and self._token.upper() in _DIMENSIONS[1:]:
            self._advance()
        return kind

    def _each(self, read: Callable[[], None]) -> None:
        self._list(read)

    def _list(self, read: Callable[[], _Part]) -> list[_Part]:
        """Read parts between parentheses, with commas between them."""
        self._expect("(")
        parts = [read()]
        while self._sees(","):
            self._advance()
            parts.append(read())
        self._expect(")")
        return parts

    def _only(self, read: Callable[[], _Part]) -> _Part:
        self._expect("(")
        part = read()
        self._expect(")")
        return part

    def _ring(self) -> list[Position]:
        return self._list(self._position)

    def _point_of_many(self) -> Position:
        return self._only(self._position) if self._sees("(") else self._position()

    def _position(self) -> Position:
        numbers = [float(self._take("number", "a number"))]
        while self._kind == "number" or (len(numbers) < 2 and self._kind in ("word", "other")):
            numbers.append(float(self._take("number", "a number")))
        return self._drawing.position(numbers)

    def _sees(self, mark: str) -> bool:
        return self._kind == "mark" and self._token == mark

    def _take(self, kind: str, expected: str) -> str:
        if self._kind != kind:
            self._fail(expected)
        token = self._token
        self._advance()
        return token

    def _expect(self, mark: str) -> None:
        if not self._sees(mark):
            self._fail(f"'{mark}'")
        self._advance()

    def _advance(self) -> None:
        """Read the next token, or "" at the end of the text."""
        found = _TOKEN.match(self._text, self._next)
        if found is None:
            self._place, self._kind, self._token = self._next, None, ""
            rest = self._text[self._next :].lstrip()
            if rest:
                self._place = len(self._text) - len(rest)
                self._kind, self._token = "other", rest[0]
            return
        self._kind = found.lastgroup
        self._token = found.group(found.lastgroup or 0)
        self._place, self._next = found.end() - len(self._token), found.end()

    def _fail(self, expected: str) -> NoReturn:
        where = f"at character {self._place + 1}" if self._kind else "at its end"
        shown = self._token if len(self._token) <= 20 else self._token[:20] + "…"
        found = f", not {shown!r}" if self._kind else ""
        raise GeometryError(f"The geometry's text should have {expected} {where}{found}.")
