"""What a search says on the wire, read into a FrameQuery; every bad parameter is named at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from starlette.datastructures import QueryParams

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.paging import read_limit, read_offset
from entrepot.lib.sky import Box, cone_box, parse_position, parse_region, unit_vector
from entrepot.modules.archive.documents import read_day, read_moment
from entrepot.modules.archive.folding import fold
from entrepot.modules.archive.models import Condition, FrameQuery, Operator, Place, PlaceKind
from entrepot.modules.archive.posted import shown
from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["FILTERS", "BadRegion", "page_limit", "read_query", "read_thumbnail_query", "read_version_query"]

NOTHING = object()
"""A value that no row has."""

ORDERABLE = (
    "id", "basename", "observation_date", "primary_optical_element", "configuration_type", "proposal_id",
    "instrument_id", "target_name", "reduction_level", "exposure_time",
)  # fmt: skip

LONGEST_PART = 10_000
"""Characters of a text that is searched for inside others."""

DATE_FORMATS = ("%m/%d/%Y",)
LOST_PLUS = re.compile(r"(:[0-9.]+) (?=[0-9]{2}:?[0-9]{2}$)")
"""A zone whose plus sign wasn't encoded, and so has become a space on the way."""

MOMENT_FORMATS = ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S.%f")


def parse_text(text: str) -> str:
    """Read a string; NUL is refused."""
    if "\x00" in text:
        raise ValueError("Null characters are not allowed.")
    return text.strip()


def parse_moment(text: str) -> datetime:
    """Read a moment in any of the forms of the contract §2.1; without a zone it is UTC."""
    text = parse_text(text)
    value = _first_format(text, MOMENT_FORMATS)
    if value is not None:
        return value.replace(tzinfo=UTC)
    try:
        return read_moment(LOST_PLUS.sub(r"\1+", text))
    except ValueError:
        raise ValueError("Enter a valid date/time.") from None


def parse_day(text: str) -> date:
    """Read a day: ``YYYY-MM-DD``, ``YYYYMMDD`` or ``MM/DD/YYYY``."""
    text = parse_text(text)
    value = _first_format(text, DATE_FORMATS)
    if value is not None:
        return value.date()
    try:
        return read_day(text)
    except ValueError:
        raise ValueError("Enter a valid date.") from None


def _first_format(text: str, formats: Sequence[str]) -> datetime | None:
    if "/" not in text:
        return None
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the caller gives it its zone
        except ValueError:
            continue
    return None


def parse_number(text: str) -> Decimal:
    """Read a finite number."""
    try:
        value = Decimal(parse_text(text))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ValueError("Enter a number.")
    return value


def _integer_within(bits: int) -> Callable[[str], object]:
    def parse(text: str) -> object:
        value = parse_number(text)
        limit = Decimal(2) ** (bits - 1)
        if not -limit <= value < limit or value != value.to_integral_value():
            return NOTHING
        return int(value)

    return parse


def _real(text: str) -> float:
    return float(parse_number(text))


def parse_choice(text: str, choices: Sequence[str]) -> str:
    """Read one of ``choices``."""
    parse_text(text)
    if text not in choices:
        raise ValueError(f"Select a valid choice. {shown(text)} is not one of the available choices.")
    return text


BOOLEANS = {
    "true": True, "True": True, "TRUE": True, "1": True,
    "false": False, "False": False, "FALSE": False, "0": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """How a parameter becomes a condition."""

    column: str
    operator: Operator
    parse: Callable[[str], object]


def _part(text: str) -> object:
    # SQLite refuses patterns over 50,000 bytes, and nothing that is stored is as long as this.
    return text if len(text) <= LONGEST_PART else NOTHING


def _lower(text: str) -> object:
    return _part(parse_text(text).lower())


def _folded(text: str) -> object:
    return _part(fold(parse_text(text)).lower())


def _itself_or_folded(text: str) -> tuple[str, ...]:
    plain = parse_text(text)
    return tuple(dict.fromkeys((plain, fold(plain))))


def _ascii(text: str) -> str:
    return fold(parse_text(text))


BIG, SMALL = _integer_within(64), _integer_within(16)

FILTERS: Mapping[str, Filter] = {
    "start": Filter("observation_date", "ge", parse_moment),
    "end": Filter("observation_date", "le", parse_moment),
    "DATE_OBS": Filter("observation_date", "eq", parse_moment),
    "DAY_OBS": Filter("observation_day", "eq", parse_day),
    "dayobs": Filter("observation_day", "eq", parse_day),
    "L1PUBDAT": Filter("public_date", "eq", parse_moment),
    "basename": Filter("basename_lower", "has", _lower),
    "basename_exact": Filter("basename", "eq", parse_text),
    "target_name": Filter("target_folded", "has", _folded),
    "target_name_exact": Filter("target_name", "in", _itself_or_folded),
    "OBJECT": Filter("target_lower", "has", _lower),
    "empty_target_name": Filter("target_name", "is empty", parse_text),
    "proposal_id": Filter("proposal_id", "eq", parse_text),
    "PROPID": Filter("proposal_id", "eq", parse_text),
    "instrument_id": Filter("instrument_id", "eq", parse_text),
    "INSTRUME": Filter("instrument_id", "eq", parse_text),
    "site_id": Filter("site_id", "eq", parse_text),
    "SITEID": Filter("site_id", "eq", parse_text),
    "telescope_id": Filter("telescope_id", "eq", parse_text),
    "TELID": Filter("telescope_id", "eq", parse_text),
    "primary_optical_element": Filter("primary_optical_element", "eq", parse_text),
    "FILTER": Filter("primary_optical_element", "eq", parse_text),
    "configuration_type": Filter("configuration_type", "eq", parse_text),
    "OBSTYPE": Filter("configuration_type", "eq", parse_text),
    "exposure_time": Filter("exposure_time", "ge", _real),
    "EXPTIME": Filter("exposure_time", "ge", _real),
    "reduction_level": Filter("reduction_level", "eq", SMALL),
    "RLEVEL": Filter("reduction_level", "eq", SMALL),
    "observation_id": Filter("observation_id", "eq", BIG),
    "BLKUID": Filter("observation_id", "eq", BIG),
    "request_id": Filter("request_id", "eq", BIG),
    "REQNUM": Filter("request_id", "eq", BIG),
    "submitter": Filter("submitter", "eq", _ascii),
}  # fmt: skip

CHOICES: Mapping[str, Operator] = {
    "include_configuration_type": "in",
    "exclude_configuration_type": "not in",
    "exclude_OBSTYPE": "not in",
}


def read_query(params: QueryParams, settings: ArchiveSettings) -> FrameQuery:
    """Read the filters, the order and the page size; raises InvalidInput, keyed by parameter."""
    if not params:
        return FrameQuery(limit=settings.page_default)
    conditions: list[Condition] = []
    wrong: dict[str, object] = {}
    present = params.keys()
    for name in [name for name in FILTERS if name in present]:
        one, text = FILTERS[name], params[name]
        if text.strip() == "":
            continue
        try:
            conditions.append(Condition(one.column, one.operator, one.parse(text)))
        except ValueError as error:
            wrong[name] = [str(error)]
    for name, operator in CHOICES.items():
        try:
            conditions += _choices(params.getlist(name), operator, settings)
        except ValueError as error:
            wrong[name] = [str(error)]
    places = _places(params, wrong)
    if wrong:
        raise InvalidInput.of(wrong)
    if BOOLEANS.get(params.get("exclude_calibrations", "")):
        conditions.append(Condition(CHOICE_COLUMN, "in", settings.science_types))
    return FrameQuery(
        conditions=tuple(one for one in conditions if one.value is not NOTHING),
        places=places,
        nothing=any(one.value is NOTHING for one in conditions),
        public=BOOLEANS.get(params.get("public", "")),
        order=_order(params.get("ordering", "")),
        limit=page_limit(params.get("limit", ""), settings),
        offset=read_offset(params.get("offset", "")),
    )


CHOICE_COLUMN = "configuration_type"


def _places(params: QueryParams, wrong: dict[str, object]) -> tuple[Place, ...]:
    """Read where on the sky is searched, the smallest place first: the index is asked for that.

    Raises BadRegion; what is wrong with a cone is put into ``wrong``.
    """
    places = [
        _region(kind, params[name], name) for name, kind in REGIONS.items() if params.get(name, "").strip()
    ]
    position, radius = params.get("position", ""), params.get("radius", "")
    if position.strip() or radius.strip():
        try:
            places.append(_cone(position, radius))
        except InvalidInput as error:
            wrong |= error.fields
    return tuple(sorted(places, key=_extent))


def _extent(place: Place) -> float:
    return max(high - low for low, high in zip(place.box.low, place.box.high, strict=True))


def has_region(params: QueryParams) -> bool:
    """Tell whether a search is for more than a point."""
    texts = [params[name].strip() for name in REGIONS if name in params]
    return any(text and (len(text) > POINT_LENGTH or text[:5].upper() != "POINT") for text in texts)


POINT_LENGTH = 100


class BadRegion(InvalidInput):
    """What stands for a region of the sky isn't one; clients know it as an array of one sentence."""


POINT_FORM = "Point must be specified with exact format 'POINT(RA DEC)'"


REGIONS: Mapping[str, PlaceKind] = {"covers": "covers", "intersects": "meets"}


def _region(kind: PlaceKind, text: str, name: str) -> Place:
    try:
        region = parse_region(parse_text(text))
    except ValueError as error:
        reason = POINT_FORM if text.strip().upper().startswith("POINT") else str(error)
        raise BadRegion(f"Error with {name} query: {reason}") from None
    if region.point is not None:
        return Place("point", region.box, region.point)
    # A footprint that covers the region covers each of its points, so its box meets that of one of them.
    box = Box(region.points[0], region.points[0]) if kind == "covers" else region.box
    return Place(kind, box, region.points[0], pieces=region.pieces, points=region.points)


def _cone(position: str, radius: str) -> Place:
    wrong: dict[str, object] = {}
    centre, reach = (0.0, 0.0), 0.0
    try:
        centre = parse_position(parse_text(position))
    except ValueError as error:
        wrong["position"] = [str(error)]
    try:
        reach = _real(radius)
        if not 0 <= reach <= WIDEST:
            raise ValueError(f"Enter a number of degrees from 0 to {WIDEST}.")
    except ValueError as error:
        wrong["radius"] = [str(error) if radius.strip() else NO_RADIUS]
    if wrong:
        raise InvalidInput.of(wrong)
    vector = unit_vector(*centre)
    return Place("cone", cone_box(vector, reach), vector, reach)


WIDEST = 90
NO_RADIUS = "A position needs a radius in degrees, as in position=83.63,22.01&radius=0.5."


def _choices(texts: Sequence[str], operator: Operator, settings: ArchiveSettings) -> list[Condition]:
    if not texts:
        return []
    chosen = tuple(parse_choice(text, settings.configuration_types) for text in texts)
    return [Condition(CHOICE_COLUMN, operator, chosen)]


def _order(text: str) -> tuple[tuple[str, bool], ...]:
    """Read an ordering; names that can't be ordered by are left out, and the id needs no tie-break."""
    order: dict[str, bool] = {}
    for part in text.split(","):
        name = part.strip()
        down = name.startswith("-")
        name = name.removeprefix("-")
        if name in ORDERABLE and name not in order:
            order[name] = down
    return tuple(order.items()) or (("observation_date", True),)


def read_thumbnail_query(params: QueryParams, settings: ArchiveSettings) -> dict[str, object]:
    """Read the filters of thumbnails: equalities on their size and on columns of their frames."""
    conditions: dict[str, object] = {}
    wrong: dict[str, object] = {}
    for name, (column, parse) in THUMBNAIL_FILTERS.items():
        text = params.get(name, "")
        if text.strip() == "":
            continue
        try:
            conditions[column] = (
                parse_choice(text, settings.thumbnail_sizes) if name == "size" else parse(text)
            )
        except ValueError as error:
            wrong[name] = [str(error)]
    if wrong:
        raise InvalidInput.of(wrong)
    # No id is negative, so this finds nothing.
    return {"id": -1} if NOTHING in conditions.values() else conditions


def read_version_query(params: QueryParams) -> str | None:
    """Read the one filter of versions, their MD5 sum; None where it isn't asked for."""
    try:
        return parse_text(params.get("md5", "")) or None
    except ValueError as error:
        raise InvalidInput.of({"md5": [str(error)]}) from None


THUMBNAIL_FILTERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "frame_basename": ("basename", parse_text),
    "proposal_id": ("proposal_id", parse_text),
    "observation_id": ("observation_id", BIG),
    "request_id": ("request_id", BIG),
    "size": ("size", parse_text),
}


def page_limit(text: str, settings: ArchiveSettings) -> int:
    """Read a page size by the archive's settings."""
    return read_limit(text, default=settings.page_default, most=settings.page_max)
