"""The classes of files that are filed, and how each gives the cards that describe a frame.

The child processes that read foreign files import this, so it stands on the light libraries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from entrepot.lib.fits import (
    Card,
    FileSource,
    FitsError,
    GzipSource,
    Member,
    Source,
    describe,
    headers_of,
    is_gzip,
    members,
    shown_name,
)
from entrepot.modules.archive.service.cards_beside import beside, cards_beside
from entrepot.modules.archive.service.rules import DESCRIBED, Rules

__all__ = ["FileClass", "NamedFile", "class_of", "described", "split_name"]

PLAIN = (".fits", ".fits.fz", ".tar")
PACKED = (".gz", ".tgz")
MEMBERS = (".fits", ".fits.fz", ".fits.gz")
PROVEN = 1 << 30
"""Packed bytes up to which a gzip stream is unpacked to its end; a larger one as far as is needed."""
THE_REST = 1 << 63
NAMED = 30
"""Most extensions in a sentence."""

MAGIC: Mapping[str, tuple[str, tuple[bytes, ...]]] = {
    ".pdf": ("PDF", (b"%PDF-",)),
    ".jpg": ("JPEG picture", (b"\xff\xd8\xff",)),
    ".jpeg": ("JPEG picture", (b"\xff\xd8\xff",)),
    ".png": ("PNG picture", (b"\x89PNG\r\n\x1a\n",)),
    ".gif": ("GIF picture", (b"GIF87a", b"GIF89a")),
}
"""What files with an extension are, and how they begin."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A local file, and the name that it is filed under."""

    path: Path
    name: str
    extension: str


class FileClass(Protocol):
    """Files that are read the same way."""

    def cards(self, file: NamedFile, rules: Rules) -> dict[str, Card]:
        """Give the cards that describe a frame; raises `FitsError` and OSError."""
        ...


class FitsFile:
    """FITS, tile-compressed or not, perhaps packed by gzip."""

    def cards(self, file: NamedFile, rules: Rules) -> dict[str, Card]:
        """Give the cards of the first HDU that has all that are required."""
        with file.path.open("rb") as opened:
            source = FileSource(opened, shown_name(file.name))
            content = _content(source, file.extension)
            headers = headers_of(content)
            cards = described(headers, rules)
            _prove(source, content, headers)
        return cards


class TarFile:
    """A tar, perhaps packed by gzip, whose first FITS file describes it."""

    def cards(self, file: NamedFile, rules: Rules) -> dict[str, Card]:
        """Give the cards that describe the first regular member named as FITS that isn't hidden."""
        with file.path.open("rb") as opened:
            source = FileSource(opened, shown_name(file.name))
            content = _content(source, file.extension)
            inside = members(content)
            cards = self._of_first(source, inside, rules)
            _prove(source, content, inside)
        return cards

    def _of_first(self, source: Source, inside: Iterable[Member], rules: Rules) -> dict[str, Card]:
        for member in inside:
            own = member.name.rpartition("/")[2]
            if own.startswith(".") or not own.endswith(MEMBERS):
                continue
            if member.sparse:
                raise FitsError(f"{member.content.name} is stored as a sparse file; store it whole.")
            headers = headers_of(_content(member.content, own[own.rindex(".fits") :]))
            cards = described(headers, rules)
            for _ in headers:
                pass
            return cards
        raise FitsError(f"{source.name} holds no FITS file ({', '.join(MEMBERS)}) that could describe it.")


class DescribedFile:
    """A file without a header of its own, described by a JSON object of cards."""

    def cards(self, file: NamedFile, rules: Rules) -> dict[str, Card]:
        """Give the cards beside the file, under those that are given."""
        _check_magic(file)
        found = cards_beside(file.path)
        if found is None and not rules.given:
            first, *others = (shown_name(name) for name in beside(file.name))
            also = f" (or {others[0]})" if others else ""
            raise FitsError(
                f"It has no header of its own: put its cards as a JSON object into {first}{also} beside it, "
                "or send them with it."
            )
        cards = with_alternatives({**(found or {}), **rules.given}, rules)
        if lacking := [keyword for keyword in rules.required_cards if keyword not in cards]:
            raise FitsError(f"Its description lacks {', '.join(lacking)}.")
        return cards


CLASSES: Mapping[str, FileClass] = {"fits": FitsFile(), "tar": TarFile(), DESCRIBED: DescribedFile()}


def class_of(extension: str, rules: Rules) -> FileClass:
    """Give the class of files with an extension that `split_name` has found."""
    return CLASSES[rules.classes[extension]]


def split_name(name: str, rules: Rules) -> tuple[str, str]:
    """Take a file's name apart into basename and extension, at the first dot.

    Raises `FitsError`, in one sentence, for an extension that no class takes.
    """
    basename, dot, rest = name.partition(".")
    extension = dot + rest
    if not basename:
        raise FitsError("Its name begins with a dot; files have a basename before the extension.")
    if extension in rules.classes:
        return basename, extension
    inner = [known for known in rules.classes if extension.endswith(known)]
    if inner:
        raise FitsError(
            f"Its name has a dot before {max(inner, key=len)}; a basename has none, "
            "as it ends at the first dot."
        )
    known = sorted(rules.classes)
    which = ", ".join(known[:NAMED]) + (" and some more" if len(known) > NAMED else "")
    named = f"named {shown_name(extension)}" if extension else "without an extension"
    raise FitsError(f"Files {named} aren't filed; these are: {which}.")


def described(headers: Iterable[Mapping[str, Card]], rules: Rules) -> dict[str, Card]:
    """Give the cards that describe a frame, of the headers of several HDUs (see `describe`)."""
    return describe(
        (with_alternatives({**header, **rules.given}, rules) for header in headers), rules.required_cards
    )


def with_alternatives(cards: dict[str, Card], rules: Rules) -> dict[str, Card]:
    """Put in the cards that are there under another of their names alone."""
    for first, others in rules.alternatives.items():
        name = next((one for one in (first, *others) if one in cards), first)
        if name != first:
            cards[first] = cards[name]
    return cards


def _content(source: Source, extension: str) -> Source:
    """Unpack what is packed; it must be by its extension, or may be if that doesn't tell."""
    packed = is_gzip(source)
    if extension.endswith(PACKED) and not packed:
        raise FitsError(f"{source.name} isn't packed by gzip, as its name says it is.")
    return GzipSource(source) if packed and extension not in PLAIN else source


def _prove(source: FileSource, content: Source, rest: Iterator[object]) -> None:
    """Go on to the end, so that a file that isn't whole is found out; not through enormous gzip streams."""
    if content is not source and source.size > PROVEN:
        return
    for _ in rest:
        pass
    if content is not source:
        content.skip(THE_REST)


def _check_magic(file: NamedFile) -> None:
    what, magic = MAGIC.get("." + file.extension.rpartition(".")[2], ("", ()))
    with file.path.open("rb") as opened:
        start = opened.read(16)
    if not start:
        raise FitsError(f"{shown_name(file.name)} is empty.")
    if magic and not start.startswith(magic):
        raise FitsError(f"{shown_name(file.name)} isn't a {what}: it doesn't begin as one does.")
