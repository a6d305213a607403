"""From a FITS file's headers and name to what a client would post of it (contract §6).

The child processes that read foreign files import this, so it stands on the light libraries alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.lib.fits import Card, FitsError, describe, footprint, read_headers
from entrepot.lib.sky import Footprint

if TYPE_CHECKING:
    from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["KEYWORDS", "Rules", "read_record", "record_of", "rules_of", "split_name"]

EXTENSIONS = (".fits", ".fits.fz")

KEYWORDS: Mapping[str, str] = {
    "proposal_id": "PROPID",
    "observation_date": "DATE-OBS",
    "observation_day": "DAY-OBS",
    "instrument_id": "INSTRUME",
    "site_id": "SITEID",
    "telescope_id": "TELID",
    "configuration_type": "OBSTYPE",
    "observation_id": "BLKUID",
    "request_id": "REQNUM",
    "reduction_level": "RLEVEL",
    "exposure_time": "EXPTIME",
    "primary_optical_element": "FILTER",
    "target_name": "OBJECT",
    "public_date": "L1PUBDAT",
}
"""The card that each field of a frame is read from."""

REQUIRED_FIELDS = (
    "proposal_id", "observation_date", "instrument_id", "site_id", "telescope_id", "configuration_type",
    "observation_id",
)  # fmt: skip
TEXT_FIELDS = (
    "proposal_id", "instrument_id", "site_id", "telescope_id", "primary_optical_element", "target_name",
    "configuration_type",
)  # fmt: skip
RELATED = (
    "L1IDBIAS", "L1IDDARK", "L1IDFLAT", "L1IDSHUT", "L1IDMASK", "L1IDFRNG", "L1IDCAT", "L1IDARC", "L1ID1D",
    "L1ID2D", "L1IDSUM", "TARFILE", "ORIGNAME", "ARCFILE", "FLATFILE", "GUIDETAR",
)  # fmt: skip
CATALOG_TARGET = "L1IDCAT"
NUMBERS = ("REQNUM", "TRACKNUM", "BLKUID", "MOLUID")
DROPPED = ("", "COMMENT", "HISTORY")
NULLS = ("N/A", "UNSPECIFIED", "UNKNOWN")
FOREVER_DAYS = 999 * 365

TYPE_LETTERS = {
    "b": "BIAS", "d": "DARK", "f": "SKYFLAT", "g": "GUIDE", "s": "STANDARD", "w": "LAMPFLAT",
    "x": "EXPERIMENTAL",
}  # fmt: skip
"""What the letter of ``<site>-<instrument>-<day>-<number>-<letter><level>`` says of an exposure."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How headers are read; plain values, which go to the child processes as JSON."""

    days_until_public: int = 365
    calibration_types: tuple[str, ...] = ()
    public_proposals: tuple[str, ...] = ()
    private_proposals: tuple[str, ...] = ()
    private_name_parts: tuple[str, ...] = ()
    given: Mapping[str, Card] = field(default_factory=dict[str, Card])
    """Cards that are put over those of every HDU."""
    keywords: Mapping[str, str] = field(default_factory=lambda: KEYWORDS)


def rules_of(settings: ArchiveSettings, given: Mapping[str, Card]) -> Rules:
    """Give the rules that a facility has set, with the cards that the caller gives."""
    return Rules(
        days_until_public=settings.days_until_public,
        calibration_types=settings.calibration_types,
        public_proposals=settings.public_proposals,
        private_proposals=settings.private_proposals,
        private_name_parts=settings.private_name_parts,
        given=given,
    )


def split_name(name: str) -> tuple[str, str]:
    """Take a file's name apart into basename and extension, at the first dot.

    Raises `FitsError` unless the extension is ``.fits`` or ``.fits.fz``.
    """
    basename, dot, rest = name.partition(".")
    extension = dot + rest
    if not basename:
        raise FitsError("Its name begins with a dot; files have a basename before .fits or .fits.fz.")
    if extension in EXTENSIONS:
        return basename, extension
    if extension.endswith(EXTENSIONS):
        raise FitsError("Its name has a dot before .fits; a basename has none, as it ends at the first dot.")
    raise FitsError("Only files named .fits and .fits.fz are filed.")


def read_record(path: Path, rules: Rules) -> dict[str, object]:
    """Read a FITS file's headers and give its record; raises `FitsError` and OSError."""
    basename, extension = split_name(path.name)
    return record_of(read_headers(path), basename, extension, rules)


def record_of(
    headers: Iterable[Mapping[str, Card]], basename: str, extension: str, rules: Rules
) -> dict[str, object]:
    """Give the JSON object that a client would post of a file, its ``version_set`` still empty.

    Of several HDUs the first with all required cards describes the frame. Raises `FitsError` for
    required cards that are missing and for an observation date or a type that nothing tells.
    """
    key = rules.keywords
    required = [key[name] for name in REQUIRED_FIELDS]
    cards = describe([{**header, **rules.given} for header in headers], required)
    outline = footprint(cards)
    cards = _cleaned(cards)
    related = _related(cards, basename)
    _complete(cards, basename, rules)
    record: dict[str, object] = {name: _value(name, cards.get(keyword)) for name, keyword in key.items()}
    return record | {
        "basename": basename,
        "related_frame_filenames": related,
        "headers": cards,
        "area": Footprint(tuple(outline)).geojson() if outline else None,
        "version_set": [],
    }


def _cleaned(cards: Mapping[str, Card]) -> dict[str, Card]:
    """Leave out commentary, and empty what only says that there is no value."""
    return {key: _known(key, value) for key, value in cards.items() if key not in DROPPED}


def _known(keyword: str, value: Card) -> Card:
    text = value.strip().upper() if isinstance(value, str) else ""
    if keyword in NUMBERS:
        return None if text in NULLS or "NONE" in text else value
    return "" if text in NULLS else value


def _value(name: str, card: Card) -> Card:
    if name in TEXT_FIELDS:
        return "" if card is None else card
    return None if card == "" else card


def _related(cards: dict[str, Card], basename: str) -> list[str]:
    """Give the basenames of the frames that the cards name, and leave them there without extensions."""
    if "_cat" in basename and not cards.get(CATALOG_TARGET):
        cards[CATALOG_TARGET] = basename.replace("_cat", "")
    related: list[str] = []
    for keyword in RELATED:
        name = os.path.basename(str(cards.get(keyword) or "")).partition(".")[0].strip()  # noqa: PTH119
        if name.upper() in ("", "NONE"):
            continue
        cards[keyword] = name
        related.append(name)
    return related


def _complete(cards: dict[str, Card], basename: str, rules: Rules) -> None:
    """Put in what can be told from other cards and from the name."""
    key = rules.keywords
    observed = cards[key["observation_date"]]
    if observed is None or observed == "":
        raise FitsError(f"{key['observation_date']} has no value; it must be the moment of the observation.")
    if cards.get(key["observation_day"]) in (None, ""):
        cards[key["observation_day"]] = re.split("[T ]", str(observed).strip())[0].replace("-", "")
    if "_cat" in basename:
        cards[key["configuration_type"]] = "CATALOG"
    elif cards[key["configuration_type"]] in (None, ""):
        cards[key["configuration_type"]] = _type_of(basename, cards, key)
    if cards.get(key["reduction_level"]) in (None, ""):
        level = basename.replace("_cat", "")[-2:]
        cards[key["reduction_level"]] = int(level) if level.isascii() and level.isdigit() else 0
    if cards.get(key["public_date"]) in (None, ""):
        cards[key["public_date"]] = _public_date(str(observed), cards, basename, rules)


def _type_of(basename: str, cards: Mapping[str, Card], key: Mapping[str, str]) -> str:
    """Tell an exposure's type from the parts of its name."""
    parts = basename.split("-")
    if parts[0] in ("trace", "arc"):
        return parts[0].upper()
    if len(parts) > 3 and parts[3] in ("bias", "bpm"):
        return parts[3].upper()
    letter = parts[4][:1] if len(parts) > 4 else ""
    of_nres = any("igl" in str(cards.get(card)) for card in ("ENCID", key["telescope_id"]))
    if letter == "e":
        return "TARGET" if of_nres else "SPECTRUM" if "en" in parts[1] else "EXPOSE"
    if letter == "a":
        return "DOUBLE" if of_nres else "ARC"
    if letter not in TYPE_LETTERS:
        raise FitsError(
            f"{key['configuration_type']} has no value, and the name doesn't tell the type either."
        )
    return TYPE_LETTERS[letter]


def _public_date(observed: str, cards: Mapping[str, Card], basename: str, rules: Rules) -> str | None:
    """Give the moment from which everyone may see a frame that doesn't say it; None if that is never."""
    proposal = str(cards.get(rules.keywords["proposal_id"]) or "")
    kind = cards[rules.keywords["configuration_type"]]
    if kind in rules.calibration_types or _any_in(rules.public_proposals, proposal):
        return observed
    private = _any_in(rules.private_proposals, proposal) or _any_in(rules.private_name_parts, basename)
    days = FOREVER_DAYS if private else rules.days_until_public
    try:
        return (datetime.fromisoformat(observed.strip()) + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):  # a bad date is named when the record is checked
        return None


def _any_in(parts: Iterable[str], text: str) -> bool:
    return any(part in text for part in parts)
