"""The headers of a FITS file, read in one go from front to back without keeping its data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from .cards import BLOCK, CARD, Card, FitsError, integer, parse_cards
from .sources import FileSource, Source, shown_name

MAX_HDUS = 1_000
MAX_HEADER_BYTES = 16 * 1024 * 1024

_LARGEST = 1 << 63  # more than any file has; the product of a lying header can be too long to be written
_BITPIX = frozenset({8, 16, 32, 64, -32, -64})
# What describes the table that holds a compressed image, not the image (FITS Standard 4.0, section 10.1).
_TABLE_CARD = re.compile(
    r"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|CHECKSUM|DATASUM"
    r"|T(?:TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|BCOL|DIM|CTYP|CUNI|CRPX|CRVL|CDLT|RPOS)\d+"
    r"|Z(?:IMAGE|CMPTYPE|MASKCMP|QUANTIZ|DITHER0|BLANK|SCALE|ZERO|SIMPLE|TENSION|BITPIX|EXTEND|BLOCKED"
    r"|PCOUNT|GCOUNT|HECKSUM|DATASUM)"
    r"|Z(?:NAXIS|TILE|NAME|VAL)\d*"
)
_IMAGE_CARDS = {
    "EXTEND": "ZEXTEND",
    "BLOCKED": "ZBLOCKED",
    "CHECKSUM": "ZHECKSUM",
    "DATASUM": "ZDATASUM",
}


def read_headers(path: Path, *, truncated_ok: bool = False) -> list[dict[str, Card]]:
    """Read the headers of all HDUs of a FITS file, one dictionary each (see `headers_of`).

    Raises `OSError` if the file can't be read, and what `headers_of` raises.
    """
    with path.open("rb") as file:
        source = FileSource(file, shown_name(path.name))
        return list(headers_of(source, truncated_ok=truncated_ok))


def headers_of(source: Source, *, truncated_ok: bool = False) -> Iterator[dict[str, Card]]:
    """Go from HDU to HDU, skipping the data, and give the cards of each (see `parse_cards`).

    The header of a tile-compressed image is that of the image, not of the table which holds it.
    Bytes after the last HDU that begin no extension are ignored, as the standard allows.

    Raises `FitsError` if the source isn't FITS, has more than 1,000 HDUs or headers of more than
    16 MiB together, or is shorter than its headers say. With ``truncated_ok`` a file that ends
    early gives the headers that are whole (but at least the first). The last block needn't be
    filled up.
    """
    name, budget = source.name, MAX_HEADER_BYTES
    _check_start(source)
    for index in range(MAX_HDUS + 1):
        if index > 0 and source.peek(8)[:8] != b"XTENSION":
            return
        if index == MAX_HDUS:
            raise FitsError(f"{name} has more than {MAX_HDUS:,} HDUs, which is the most that is read.")
        start = source.position
        raw = _next_header(source, budget, f"{name}, HDU {index}")
        if raw is None:
            if truncated_ok and index > 0:
                return
            raise FitsError(f"{name} is truncated: it ends within the header of HDU {index}.")
        budget -= len(raw)
        cards = parse_cards(raw)
        length = _data_size(cards, f"{name}, HDU {index}")
        end = start + _blocks(len(raw) + CARD) + length
        yield _image(cards)
        source.skip(end - source.position)
        if source.position < end:
            if truncated_ok:
                return
            raise FitsError(
                f"{name} is truncated: the data of HDU {index} should end at byte {end:,}, "
                f"but it ends at byte {source.position:,}."
            )
        source.skip(-length % BLOCK)


def _check_start(source: Source) -> None:
    start = source.peek(9)[:9]
    if not start:
        raise FitsError(f"{source.name} isn't a FITS file: it is empty.")
    if start != b"SIMPLE  =":
        raise FitsError(f"{source.name} isn't a FITS file: it doesn't begin with a SIMPLE card.")


def _next_header(source: Source, budget: int, what: str) -> bytes | None:
    """Read the cards up to END, and the rest of END's block; None if the file ends before it."""
    header = bytearray()
    while block := source.read(BLOCK):
        for at in range(0, len(block), CARD):
            if block[at : at + 8].rstrip(b" \0") == b"END":
                return bytes(header + block[:at])
        header += block
        if len(header) > budget:
            raise FitsError(
                f"{what}: the headers take more than {MAX_HEADER_BYTES:,} bytes, the most that is read."
            )
    return None


def _blocks(length: int) -> int:
    """Round a length in bytes up to whole blocks."""
    return -(-length // BLOCK) * BLOCK


def _data_size(cards: dict[str, Card], what: str) -> int:
    """Work out the bytes of an HDU's data, without the filling (FITS Standard 4.0, equations 1, 2 and 4)."""
    bitpix, naxis = integer(cards, "BITPIX"), integer(cards, "NAXIS")
    if bitpix not in _BITPIX or naxis is None or not 0 <= naxis <= 999:
        raise FitsError(f"{what}: BITPIX and NAXIS must be there and valid.")
    if naxis == 0:
        return 0
    axes = [integer(cards, f"NAXIS{axis}") for axis in range(1, naxis + 1)]
    groups, extra = integer(cards, "GCOUNT"), integer(cards, "PCOUNT")
    groups, extra = 1 if groups is None else groups, extra or 0
    lengths = [axis for axis in axes if axis is not None and axis >= 0]
    if len(lengths) < naxis or groups < 0 or extra < 0:
        raise FitsError(f"{what}: NAXIS1 to NAXIS{naxis} must be there, and no size be negative.")
    if lengths[0] == 0 and cards.get("GROUPS") is True:
        lengths = lengths[1:]
    return min(abs(bitpix) // 8 * groups * (extra + math.prod(lengths)), _LARGEST)


def _image(cards: dict[str, Card]) -> dict[str, Card]:
    """Give the header of the image that a tile-compressed HDU holds; any other as it is."""
    naxis, bitpix = integer(cards, "ZNAXIS"), integer(cards, "ZBITPIX")
    if cards.get("ZIMAGE") is not True or naxis is None or not 0 <= naxis <= 999 or bitpix is None:
        return cards
    primary = "ZSIMPLE" in cards
    image: dict[str, Card] = {"SIMPLE": cards["ZSIMPLE"]} if primary else {"XTENSION": "IMAGE"}
    image |= {"BITPIX": bitpix, "NAXIS": naxis}
    image |= {f"NAXIS{axis}": cards.get(f"ZNAXIS{axis}") for axis in range(1, naxis + 1)}
    if not primary:
        image |= {"PCOUNT": cards.get("ZPCOUNT", 0), "GCOUNT": cards.get("ZGCOUNT", 1)}
    image |= {keyword: value for keyword, value in cards.items() if not _TABLE_CARD.fullmatch(keyword)}
    image |= {keyword: cards[stored] for keyword, stored in _IMAGE_CARDS.items() if stored in cards}
    if image.get("EXTNAME") == "COMPRESSED_IMAGE":
        del image["EXTNAME"]
    if bitpix > 0 and "ZBLANK" in cards:
        image.setdefault("BLANK", cards["ZBLANK"])
    return image
