"""From a file's cards and name to what a client would post of it (contract §6).

The child processes that read foreign files import this, so it stands on the light libraries alone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from entrepot.lib.fits import Card, FitsError, footprint
from entrepot.lib.sky import Footprint
from entrepot.modules.archive.service.cards_beside import parse_json_cards
from entrepot.modules.archive.service.file_classes import NamedFile, class_of, described, split_name
from entrepot.modules.archive.service.rules import Rules, rules_of

__all__ = [
    "Rules",
    "parse_json_cards",
    "read_record",
    "record_of",
    "rules_of",
    "split_name",
]

TEXT_FIELDS = (
    "proposal_id", "instrument_id", "site_id", "telescope_id", "primary_optical_element", "target_name",
    "configuration_type",
)  # fmt: skip
FOREVER_DAYS = 999 * 365
LEVEL_OF_TARS = 90
MOST_TEXT = 1 << 20
"""Characters of a frame's cards as JSON: the server reads them in one go, while it answers nobody else."""

TYPE_LETTERS = {
    "b": "BIAS", "d": "DARK", "f": "SKYFLAT", "g": "GUIDE", "s": "STANDARD", "w": "LAMPFLAT",
    "x": "EXPERIMENTAL",
}  # fmt: skip
"""What the letter of ``<site>-<instrument>-<day>-<number>-<letter><level>`` says of an exposure."""


def read_record(path: Path, rules: Rules, *, name: str | None = None) -> dict[str, object]:
    """Read a file and give the JSON object that a client would post of it, ``version_set`` still empty.

    ``name`` is the name that the file has, where ``path`` has another. Cards that describe a file without a
    header are looked for beside ``path``. Raises `FitsError`, in one sentence, for what can't be filed, and
    OSError.
    """
    name = path.name if name is None else name
    basename, extension = split_name(name, rules)
    cards = class_of(extension, rules).cards(NamedFile(path, name, extension), rules)
    return _record(cards, basename, extension, rules)


def record_of(
    headers: Iterable[Mapping[str, Card]], basename: str, extension: str, rules: Rules
) -> dict[str, object]:
    """Give the JSON object that a client would post of the headers of a file's HDUs.

    Of several HDUs the first with all required cards describes the frame. Raises `FitsError` for
    required cards that are missing and for an observation date or a type that nothing tells.
    """
    return _record(described(headers, rules), basename, extension, rules)


def _record(cards: Mapping[str, Card], basename: str, extension: str, rules: Rules) -> dict[str, object]:
    _check_size(cards)
    outline = footprint(cards, radius=rules.radius, ra=rules.ra, dec=rules.dec)
    cards = _cleaned(cards, rules)
    related = _related(cards, basename, rules)
    _complete(cards, basename, extension, rules)
    record: dict[str, object] = {
        name: _value(name, cards.get(keyword)) for name, keyword in rules.keywords.items()
    }
    return record | {
        "basename": basename,
        "related_frame_filenames": related,
        "headers": cards,
        "area": Footprint(tuple(outline)).geojson() if outline else None,
        "version_set": [],
    }


def _check_size(cards: Mapping[str, Card]) -> None:
    if len(json.dumps(cards, ensure_ascii=False)) > MOST_TEXT:
        raise FitsError(
            f"The {len(cards):,} cards that describe it have more than {MOST_TEXT:,} characters as JSON, "
            "which is the most that is filed."
        )


def _cleaned(cards: Mapping[str, Card], rules: Rules) -> dict[str, Card]:
    """Leave out commentary, and empty what only says that there is no value."""
    nulls = {null.upper() for null in rules.nulls}
    dropped = {"", *rules.dropped}
    return {key: _known(key, value, rules, nulls) for key, value in cards.items() if key not in dropped}


def _known(keyword: str, value: Card, rules: Rules, nulls: Collection[str]) -> Card:
    text = value.strip().upper() if isinstance(value, str) else ""
    if keyword in rules.numbers:
        return None if text in nulls or "NONE" in text else value
    return "" if text in nulls else value


def _value(name: str, card: Card) -> Card:
    if name in TEXT_FIELDS:
        return "" if card is None else card
    return None if card == "" else card


def _related(cards: dict[str, Card], basename: str, rules: Rules) -> list[str]:
    """Give the basenames of the frames that the cards name, and leave them there without extensions."""
    if "_cat" in basename and not cards.get(rules.catalog_target):
        cards[rules.catalog_target] = basename.replace("_cat", "")
    related: list[str] = []
    for keyword in rules.related:
        name = os.path.basename(str(cards.get(keyword) or "")).partition(".")[0].strip()  # noqa: PTH119
        if name.upper() in ("", "NONE"):
            continue
        cards[keyword] = name
        related.append(name)
    return related


def _complete(cards: dict[str, Card], basename: str, extension: str, rules: Rules) -> None:
    """Put in what can be told from other cards and from the name."""
    key = rules.keywords
    observed = cards.get(key["observation_date"])
    if observed is None or observed == "":
        raise FitsError(f"{key['observation_date']} has no value; it must be the moment of the observation.")
    if cards.get(key["observation_day"]) in (None, ""):
        cards[key["observation_day"]] = re.split("[T ]", str(observed).strip())[0].replace("-", "")
    if "_cat" in basename:
        cards[key["configuration_type"]] = "CATALOG"
    elif cards.get(key["configuration_type"]) in (None, ""):
        cards[key["configuration_type"]] = _type_of(basename, cards, key)
    if cards.get(key["reduction_level"]) in (None, ""):
        cards[key["reduction_level"]] = _level_of(basename, extension, rules)
    if cards.get(key["public_date"]) in (None, ""):
        cards[key["public_date"]] = _public_date(str(observed), cards, basename, rules)


def _level_of(basename: str, extension: str, rules: Rules) -> int:
    """Tell the reduction level from the last two digits of the name; a tar is taken for a product."""
    if rules.classes.get(extension) == "tar":
        return LEVEL_OF_TARS
    level = basename.replace("_cat", "")[-2:]
    return int(level) if level.isascii() and level.isdigit() else 0


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
