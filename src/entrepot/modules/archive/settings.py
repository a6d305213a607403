"""The archive's own settings (``ENTREPOT_ARCHIVE_*``)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from entrepot.kernel.settings import Names, Section

__all__ = ["ArchiveSettings"]

CONFIGURATION_TYPES = (
    "BIAS", "DARK", "EXPOSE", "SPECTRUM", "LAMPFLAT", "SKYFLAT", "STANDARD", "TRAILED", "GUIDE",
    "EXPERIMENTAL", "CATALOG", "BPM", "TARGET", "OBJECT",
)  # fmt: skip
RELATED_KEYS = (
    "L1IDBIAS", "L1IDDARK", "L1IDFLAT", "L1IDSHUT", "L1IDMASK", "L1IDFRNG", "L1IDCAT", "L1IDARC", "L1ID1D",
    "L1ID2D", "L1IDSUM", "TARFILE", "ORIGNAME", "ARCFILE", "FLATFILE", "GUIDETAR",
)  # fmt: skip
FILE_CLASSES = ("fits", "tar", "described", "refused")
EXTENSION = re.compile(r"(?:\.[A-Za-z0-9_+-]+)+")
LONGEST_EXTENSION = 20
LONGEST_KEYWORD = 80


def _cards(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not name.isprintable() or len(name) > LONGEST_KEYWORD:
            raise ValueError(f"{name[:LONGEST_KEYWORD]!a} can't be the name of a header card")
    return names


def _card(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("it needs the name of a header card")
    return _cards(names)


def _file_classes(pairs: tuple[str, ...]) -> tuple[str, ...]:
    known = f"one of {', '.join(FILE_CLASSES[:-1])} and {FILE_CLASSES[-1]}"
    seen: dict[str, str] = {}
    for pair in pairs:
        extension, equals, kind = (part.strip() for part in pair.partition("="))
        if not EXTENSION.fullmatch(extension) or len(extension) > LONGEST_EXTENSION or not equals:
            raise ValueError(f"{pair[:60]!a} isn't .extension=class, such as .fits.zst=described")
        if kind not in FILE_CLASSES:
            raise ValueError(f"{pair[:60]!a} names no class of files; use {known}")
        if extension in seen:
            raise ValueError(f"{extension} is in it twice")
        seen[extension] = kind
    return tuple(f"{extension}={kind}" for extension, kind in seen.items())


def _folders(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not name.startswith("/") or not name.isprintable():
            raise ValueError(f"{name[:100]!a} isn't a folder written in full, such as /data/frames")
    return names


CardNames = Annotated[Names, AfterValidator(_cards)]
"""Names of header cards between commas."""
CardName = Annotated[Names, AfterValidator(_card)]
"""The name of a header card, with others after commas that are asked in turn where it is missing."""
Folders = Annotated[Names, AfterValidator(_folders)]
"""Folders of this machine between commas, written in full."""
FileClasses = Annotated[Names, AfterValidator(_file_classes)]
"""Pairs of an extension and a class of files."""


class ArchiveSettings(Section):
    """What a facility sets about its archive."""

    configuration_types: Names = Field(
        default=CONFIGURATION_TYPES, description="configuration types that frames may have"
    )
    science_types: Names = Field(
        default=("EXPOSE", "TARGET", "SPECTRUM", "CATALOG", "OBJECT"),
        description="configuration types that exclude_calibrations keeps",
    )
    calibration_types: Names = Field(
        default=("BIAS", "DARK", "SKYFLAT", "EXPERIMENTAL"),
        description="configuration types that are public at once",
    )
    thumbnail_sizes: Names = Field(
        default=("small", "medium", "large"), description="sizes that thumbnails may have"
    )
    page_default: int = Field(
        default=100, ge=1, le=10_000, description="rows on a page when no limit is asked for"
    )
    page_max: int = Field(default=1000, ge=1, le=10_000, description="most rows on a page")
    count_exact_to: int = Field(
        default=10_000,
        ge=0,
        description="result sizes up to this are counted exactly (at a crowded place of the sky up to 2,000)",
    )
    redirect_downloads: bool = Field(
        default=False,
        description="send downloads to a signed URL of the S3 store instead of through the server",
    )
    signed_url_seconds: int = Field(
        default=172_800, ge=60, le=604_800, description="how long a signed URL works"
    )
    roots: Folders = Field(
        default=(),
        description="folders below which files may be registered where they are (ingest --in-place)",
    )
    upload_max: int = Field(
        default=100 * 2**30, ge=1, le=2**50, description="largest file in bytes that an upload may bring"
    )
    upload_stall: float = Field(
        default=60.0, gt=0, le=3600, description="seconds without a byte after which an upload is given up"
    )
    uploads: int = Field(
        default=8, ge=1, le=1000, description="most uploads at the same time in each server process"
    )
    bulk_kept_days: int = Field(
        default=7, ge=1, le=3650, description="days for which bulk filing remembers its idempotency keys"
    )
    days_until_public: int = Field(
        default=365, ge=0, description="days after which a frame without a public date is public"
    )
    public_proposals: Names = Field(
        default=("EPO", "calib", "standard", "pointing"),
        description="parts of proposal ids whose frames are public at once",
    )
    private_proposals: Names = Field(
        default=("LCOEngineering",), description="parts of proposal ids whose frames stay private"
    )
    private_name_parts: Names = Field(
        default=("-t00", "-x00"), description="parts of file names whose frames stay private"
    )
    observation_date_key: CardName = Field(
        default=("DATE-OBS",),
        description="header card of the moment of an observation (A,B: B where A is missing)",
    )
    observation_day_key: CardName = Field(
        default=("DAY-OBS",), description="header card of the day of an observation"
    )
    reduction_level_key: CardName = Field(
        default=("RLEVEL",), description="header card of the reduction level"
    )
    exposure_time_key: CardName = Field(default=("EXPTIME",), description="header card of the exposure time")
    instrument_id_key: CardName = Field(default=("INSTRUME",), description="header card of the instrument")
    site_id_key: CardName = Field(default=("SITEID",), description="header card of the site")
    telescope_id_key: CardName = Field(default=("TELID",), description="header card of the telescope")
    observation_id_key: CardName = Field(
        default=("BLKUID",), description="header card of the observation's number"
    )
    configuration_id_key: CardName = Field(
        default=("MOLUID",), description="header card of the configuration's number"
    )
    primary_optical_element_key: CardName = Field(
        default=("FILTER",), description="header card of the filter"
    )
    target_name_key: CardName = Field(default=("OBJECT",), description="header card of the target's name")
    request_id_key: CardName = Field(default=("REQNUM",), description="header card of the request's number")
    requestgroup_id_key: CardName = Field(
        default=("TRACKNUM",), description="header card of the request group's number"
    )
    configuration_type_key: CardName = Field(
        default=("OBSTYPE",), description="header card of the configuration type"
    )
    proposal_id_key: CardName = Field(default=("PROPID",), description="header card of the proposal")
    catalog_target_frame_key: CardName = Field(
        default=("L1IDCAT",), description="header card of the frame that a catalogue (…_cat) belongs to"
    )
    public_date_key: CardName = Field(
        default=("L1PUBDAT",), description="header card of the moment at which a frame becomes public"
    )
    related_frame_keys: CardNames = Field(
        default=RELATED_KEYS, description="header cards that name frames which a frame was made from"
    )
    radius_key: CardName = Field(
        default=("RADIUS",), description="header card of a field's half-width in arcsec"
    )
    ra_key: CardName = Field(default=("RA",), description="header card of a field's right ascension")
    dec_key: CardName = Field(default=("DEC",), description="header card of a field's declination")
    required_headers: CardNames = Field(
        default=(),
        description="header cards that every file needs; empty: those of proposal, moment, instrument, site, "
        "telescope, type and observation",
    )
    header_blacklist: CardNames = Field(
        default=("HISTORY", "COMMENT"), description="header cards that are left out"
    )
    null_header_values: Names = Field(
        default=("N/A", "UNSPECIFIED", "UNKNOWN"), description="texts in header cards that mean no value"
    )
    file_classes: FileClasses = Field(
        default=(),
        description="classes of files by extension, such as .fits.zst=described,.cat.fits=fits,.gif=refused",
    )
