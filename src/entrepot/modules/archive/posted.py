"""What clients post, checked field by field; the sentences are those that existing clients know."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from entrepot.kernel.errors import InvalidInput
from entrepot.lib.sky import Cover, GeometryError, cover, footprint_from_geojson
from entrepot.modules.archive.documents import dumps, read_day, read_moment
from entrepot.modules.archive.models import NewVersion, PostedFrame, PostedThumbnail
from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["parse_json", "read_frame", "read_thumbnail", "shown"]

REQUIRED = "This field is required."
NOT_NULL = "This field may not be null."
NOT_BLANK = "This field may not be blank."
MOMENT_FORM = (
    "Datetime has wrong format. Use one of these formats instead: "
    "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)
DAY_FORM = "Date has wrong format. Use one of these formats instead: YYYYMMDD, YYYY-MM-DD."
KEY_LIMIT = 1024
INDEXED_BYTES = 2500
"""Bytes of UTF-8 that PostgreSQL's indexes surely take of one text."""
MOST_RELATED = 1000
MOST_VERSIONS = 100
DEEPEST = 100
"""Objects and arrays inside each other in a body."""
TOO_DEEP = f"it has more than {DEEPEST} objects and arrays inside each other."
LONGEST_INTEGER = 1000
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32}")
EXTENSION = re.compile(r"\.[^/\\]+")

Reader = Callable[[object], object]


def _string(limit: int, *, blank: bool = True) -> Callable[[object], str]:
    def read(value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("Not a valid string.")
        text = str(value).strip()
        if "\x00" in text:
            raise ValueError("Null characters are not allowed.")
        if CONTROL.search(text) or SURROGATE.search(text):
            raise ValueError("Control characters and lone surrogates are not allowed.")
        if not text and not blank:
            raise ValueError(NOT_BLANK)
        if len(text) > limit:
            raise ValueError(f"Ensure this field has no more than {limit} characters.")
        if len(text) * 4 > INDEXED_BYTES and len(text.encode()) > INDEXED_BYTES:
            raise ValueError(f"Ensure this field has no more than {INDEXED_BYTES:,} bytes of UTF-8.")
        return text

    return read


def _integer(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("A valid integer is required.")
        text = re.sub(r"\.0*$", "", str(value).strip())
        if len(text) > LONGEST_INTEGER or not re.fullmatch(r"[+-]?[0-9]+", text):
            raise ValueError("A valid integer is required.")
        number = int(text)
        if number < least:
            raise ValueError(f"Ensure this value is greater than or equal to {least}.")
        if number > most:
            raise ValueError(f"Ensure this value is less than or equal to {most}.")
        return number

    return read


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("A valid number is required.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("A valid number is required.")
    return number


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(MOMENT_FORM)
    try:
        return read_moment(value.strip())
    except ValueError:
        raise ValueError(MOMENT_FORM) from None


def _day(value: object) -> date:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    try:
        return read_day(text)
    except ValueError:
        raise ValueError(DAY_FORM) from None


@dataclass(frozen=True, slots=True)
class Area:
    """A footprint as JSON, and cut into convex pieces."""

    text: str
    cover: Cover


def _area(value: object) -> Area:
    try:
        footprint = footprint_from_geojson(value)
        return Area(dumps(footprint.geojson()), cover(footprint))
    except GeometryError as error:
        raise ValueError(f"Invalid polygon: {error}") from None


def _headers(value: object) -> str:
    text = dumps(value)
    if SURROGATE.search(text):
        raise ValueError("Lone surrogates are not allowed.")
    return text


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f'Expected a list of items but got type "{type(value).__name__}".')
    names = cast("list[object]", value)
    if len(names) > MOST_RELATED:
        raise ValueError(f"Ensure this list has no more than {MOST_RELATED:,} names.")
    return tuple(dict.fromkeys(map(_basename, names)))


def _basename(value: object) -> str:
    text = _string(1000, blank=False)(value)
    if "." in text:
        raise ValueError("A basename is the file name up to its first dot, so it has no dot itself.")
    if "/" in text or "\\" in text:
        raise ValueError("A basename names a file, so it has no slash or backslash.")
    return text


def _configuration_type(settings: ArchiveSettings) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in settings.configuration_types:
            raise ValueError(f'"{shown(value)}" is not a valid choice.')
        return value

    return read


def shown(value: object) -> str:
    """Write a value so that it can stand in a sentence, whatever is in it."""
    text = str(value)
    text = text if len(text) <= 100 else text[:100] + "…"
    return CONTROL.sub("\ufffd", SURROGATE.sub("\ufffd", text))


def _key(value: object) -> str:
    text = _string(KEY_LIMIT, blank=False)(value)
    if text in (".", ".."):
        raise ValueError("A key is a part of the file's URL, so it can't be . or .. alone.")
    return text


VERSION_READERS: Mapping[str, Callable[[object], str]] = {
    "key": _key,
    "md5": _string(32, blank=False),
    "extension": _string(20, blank=False),
}


def _version(value: object) -> NewVersion:
    if not isinstance(value, dict):
        raise FieldsError(
            {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type(value).__name__}."]}
        )
    members = cast("dict[str, object]", value)
    texts, wrong = _read_all(VERSION_READERS, members, required=VERSION_READERS, nullable=())
    if "md5" not in wrong and not HEXADECIMAL.fullmatch(str(texts["md5"])):
        wrong["md5"] = ["An MD5 sum has 32 hexadecimal digits."]
    if "extension" not in wrong and not EXTENSION.fullmatch(str(texts["extension"])):
        wrong["extension"] = ["An extension starts with a dot, such as .fits or .fits.fz, and has no slash."]
    if wrong:
        raise FieldsError(wrong)
    return NewVersion(key=str(texts["key"]), md5=str(texts["md5"]).lower(), extension=str(texts["extension"]))


def _versions(value: object) -> tuple[NewVersion, ...]:
    if not isinstance(value, list):
        raise ValueError(f'Expected a list of items but got type "{type(value).__name__}".')
    items = cast("list[object]", value)
    if len(items) > MOST_VERSIONS:
        raise ValueError(f"Ensure this list has no more than {MOST_VERSIONS} versions.")
    versions: list[NewVersion] = []
    wrong: list[Mapping[str, object]] = []
    for item in items:
        try:
            versions.append(_version(item))
            wrong.append({})
        except FieldsError as error:
            wrong.append(error.fields)
    if any(wrong):
        raise ItemsError(wrong)
    for name in ("key", "md5"):
        if len({getattr(version, name) for version in versions}) < len(versions):
            raise ValueError(f"Two versions have the same {name}.")
    return tuple(versions)


class FieldsError(ValueError):
    """Sentences about the members of an object."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__("Not valid.")
        self.fields = fields


class ItemsError(ValueError):
    """Sentences about the items of a list."""

    def __init__(self, items: Sequence[Mapping[str, object]]) -> None:
        super().__init__("Not valid.")
        self.items = items


def _sentences(error: ValueError) -> object:
    if isinstance(error, ItemsError):
        return error.items
    return error.fields if isinstance(error, FieldsError) else [str(error)]


def _read_all(
    readers: Mapping[str, Reader],
    members: Mapping[str, object],
    *,
    required: Sequence[str] | Mapping[str, object],
    nullable: Sequence[str],
) -> tuple[dict[str, object], dict[str, object]]:
    values: dict[str, object] = {}
    wrong: dict[str, object] = {}
    for name, read in readers.items():
        if name not in members:
            if name in required:
                wrong[name] = [REQUIRED]
            continue
        if members[name] is None:
            if name in nullable:
                values[name] = None
            else:
                wrong[name] = [NOT_NULL]
            continue
        try:
            values[name] = read(members[name])
        except ValueError as error:
            wrong[name] = _sentences(error)
    return values, wrong


COLUMN_READERS: Mapping[str, Reader] = {
    "observation_day": _day,
    "observation_date": _moment,
    "public_date": _moment,
    "proposal_id": _string(200),
    "instrument_id": _string(64),
    "target_name": _string(200),
    "site_id": _string(3),
    "telescope_id": _string(4),
    "primary_optical_element": _string(100),
    "reduction_level": _integer(-32768, 32767),
    "observation_id": _integer(0, 2**31 - 1),
    "request_id": _integer(0, 2**31 - 1),
    "exposure_time": _real,
    "area": _area,
}
"""The fields that are columns of a frame under the same name."""

REQUIRED_FIELDS = (
    "basename", "area", "observation_day", "headers", "configuration_type", "related_frame_filenames",
    "version_set",
)  # fmt: skip
NULLABLE_FIELDS = ("area", "observation_date", "public_date", "observation_id", "request_id", "exposure_time")


def _frame(
    body: object, settings: ArchiveSettings, more: Mapping[str, Reader]
) -> tuple[dict[str, object], dict[str, object]]:
    if not isinstance(body, dict):
        kind = type(body).__name__
        raise InvalidInput.of({"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]})
    readers = {
        "basename": _basename,
        **COLUMN_READERS,
        "configuration_type": _configuration_type(settings),
        "headers": _headers,
        "related_frame_filenames": _names,
        "version_set": _versions,
        **more,
    }
    members = cast("dict[str, object]", body)
    return _read_all(readers, members, required=(*REQUIRED_FIELDS, *more), nullable=NULLABLE_FIELDS)


def _posted(values: Mapping[str, object], headers: object) -> PostedFrame:
    cards = cast("dict[str, object]", headers) if isinstance(headers, dict) else {}
    columns = {name: values[name] for name in COLUMN_READERS if name in values}
    columns["configuration_type"] = values["configuration_type"]
    area = cast("Area | None", columns["area"])
    columns["area"] = area and area.text
    columns["submitter"] = _short_card(cards.get("USERID"))
    basename = cast("str", values["basename"])
    related = cast("tuple[str, ...]", values["related_frame_filenames"])
    return PostedFrame(
        basename=basename,
        values=columns,
        headers=cast("str", values["headers"]),
        header_extname=_short_card(cards.get("EXTNAME")),
        related=tuple(name for name in related if name != basename),
        versions=cast("tuple[NewVersion, ...]", values["version_set"]),
        cover=area.cover if area else NOWHERE,
    )


NOWHERE = Cover((), (), None)


def _short_card(value: object) -> str:
    return value[:200].strip() if isinstance(value, str) and "\x00" not in value else ""


def read_frame(body: object, settings: ArchiveSettings) -> PostedFrame:
    """Read a posted frame (contract §5); raises InvalidInput, keyed by field."""
    values, wrong = _frame(body, settings, {})
    if wrong:
        raise InvalidInput.of(wrong)
    return _posted(values, cast("dict[str, object]", body)["headers"])


def read_thumbnail(body: object, settings: ArchiveSettings) -> PostedThumbnail:
    """Read a posted thumbnail: a frame's JSON with ``frame_basename`` and ``size`` (contract §2.12)."""

    def size(value: object) -> str:
        text = _string(20, blank=False)(value)
        if text not in settings.thumbnail_sizes:
            raise ValueError(f'"{shown(text)}" is not a valid choice.')
        return text

    values, wrong = _frame(body, settings, {"frame_basename": _basename, "size": size})
    versions = cast("tuple[NewVersion, ...]", values.get("version_set", ()))
    if "version_set" not in wrong and not versions:
        wrong["version_set"] = ["A thumbnail needs one version: the key, md5 and extension of its file."]
    if wrong:
        raise InvalidInput.of(wrong)
    return PostedThumbnail(
        frame=_posted(values, cast("dict[str, object]", body)["headers"]),
        frame_basename=cast("str", values["frame_basename"]),
        size=cast("str", values["size"]),
        file=versions[0],
    )


def parse_json(text: bytes) -> object:
    """Read JSON; NaN, infinities, bad UTF-8 and nesting too deep to handle are refused."""
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = TOO_DEEP if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(f"JSON parse error - {reason}") from None
    if _is_deeper(value, DEEPEST):
        raise InvalidInput(f"JSON parse error - {TOO_DEEP}")
    return value


def _is_deeper(value: object, levels: int) -> bool:
    """Tell whether more than ``levels`` objects and arrays are inside each other."""
    level: list[object] = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _members(outer) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _members(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _refuse_constant(name: str) -> object:
    raise ValueError(f"Out of range float values are not JSON compliant: {name}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"Out of range float values are not JSON compliant: {text[:40]}")
    return value
