"""Content negotiation (RFC 9110 §12.5.1): which of the offered media types to answer with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from entrepot.kernel.errors import NotAcceptable, NotFound

__all__ = ["accepts_coding", "choose", "negotiate"]

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for it
ELEMENT = re.compile(
    rf'\s*(?:({TOKEN})/({TOKEN})|\*)((?:\s*;\s*{TOKEN}=(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))*)\s*(?:;\s*)?'
)
PARAMETER = re.compile(rf';\s*({TOKEN})=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))')
QUALITY = re.compile(r"0?\.[0-9]{1,3}|0|0\.|1(?:\.0{0,3})?")
# Nothing is given back, and a quote that stays open takes the rest: else it is scanned for at each quote.
SPLIT = re.compile(r'(?:[^,"]++|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
LONGEST = 4096
"""Characters of an Accept or Accept-Encoding header that are looked at."""
USUAL = 256
"""Characters of an Accept header up to which what it came to is remembered."""


@dataclass(frozen=True, slots=True)
class _MediaRange:
    """One element of Accept; ``*`` stands for any type or subtype."""

    type: str
    subtype: str
    parameters: frozenset[tuple[str, str]]
    quality: float

    def specificity(self, type_: str, subtype: str, parameters: frozenset[tuple[str, str]]) -> int:
        """Say how exactly it names a media type: -1 not at all, 0 for ``*/*``, 1 ``type/*``, 2 or more."""
        if self.type == "*" and self.subtype == "*":
            return 0
        if self.type != type_:
            return -1
        if self.subtype == "*":
            return 1
        return 2 + len(self.parameters) if self.subtype == subtype and self.parameters <= parameters else -1


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """Pick from the ``offered`` media types, best first, the one that an Accept header likes best.

    Each type has the quality of the most specific range that names it; of equals the first wins;
    None if none is acceptable. No header, and one with nothing readable in it, accept anything.
    """
    if accept and len(accept) > USUAL:
        return _choose(accept, offered)
    return _usual_choice(accept, tuple(offered))


@lru_cache(maxsize=256)
def _usual_choice(accept: str | None, offered: tuple[str, ...]) -> str | None:
    return _choose(accept, offered)


def _choose(accept: str | None, offered: Sequence[str]) -> str | None:
    ranges = _parse(accept) if accept else []
    if not ranges:
        return offered[0] if offered else None
    best, best_quality = None, 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def negotiate(accept: str | None, formats: Mapping[str, str], *, wanted: str | None = None) -> str:
    """Pick a media type from ``formats`` (name → media type, best first), also by name (``?format=``).

    Raises NotFound for an unknown name, NotAcceptable if Accept excludes what is offered.
    """
    if wanted and wanted not in formats:
        raise NotFound(f"There is no such format here; there are: {', '.join(formats)}.", where="format")
    offered = [formats[wanted]] if wanted else list(formats.values())
    chosen = choose(accept, offered)
    if chosen is None:
        raise NotAcceptable(f"Accept must allow one of: {', '.join(offered)}.", where="Accept")
    return chosen


def _quality(media_type: str, ranges: Sequence[_MediaRange]) -> float:
    essence, _, rest = media_type.lower().partition(";")
    type_, _, subtype = essence.strip().partition("/")
    parameters = frozenset(_parameters(";" + rest))
    best, quality = -1, 0.0
    for media_range in ranges:
        specificity = media_range.specificity(type_, subtype, parameters)
        if specificity > best or (specificity == best and specificity >= 0 and media_range.quality > quality):
            best, quality = specificity, media_range.quality
    return quality


def _parse(accept: str) -> list[_MediaRange]:
    """Read what can be read; a bare ``*`` is ``*/*``, and elements that aren't media ranges are dropped."""
    found: list[_MediaRange] = []
    for part in SPLIT.findall(accept[:LONGEST]):
        match = ELEMENT.fullmatch(part)
        if match is None or (match[1] == "*" and match[2] != "*"):
            continue
        before, quality = _split_quality(match[3])
        if quality is not None:
            found.append(_MediaRange((match[1] or "*").lower(), (match[2] or "*").lower(), before, quality))
    return found


def _split_quality(text: str) -> tuple[frozenset[tuple[str, str]], float | None]:
    parameters = dict(_parameters(text))
    weight = parameters.pop("q", "1")
    quality = float(weight) if QUALITY.fullmatch(weight) else None
    return frozenset(parameters.items()), quality


def _parameters(text: str) -> list[tuple[str, str]]:
    """Read parameters; ``charset`` is left out, since it says nothing about the representation here."""
    pairs = ((name.lower(), (quoted or plain).lower()) for name, quoted, plain in PARAMETER.findall(text))
    return [(name, value) for name, value in pairs if name != "charset"]


def accepts_coding(accept_encoding: bytes | None, coding: str) -> bool:
    """Tell whether an Accept-Encoding header names a content coding with a quality above 0."""
    weights: dict[str, str] = {}
    for part in (accept_encoding or b"")[:LONGEST].decode("latin-1").lower().split(","):
        name, _, weight = part.partition(";")
        weights[name.strip()] = weight
    weight = weights.get(coding, weights.get("*"))
    return weight is not None and not re.fullmatch(r"\s*q\s*=\s*0(\.0{0,3})?\s*", weight)
