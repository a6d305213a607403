"""How a facility has its files read: which card is which field, and which files are which class.

The child processes that read foreign files import this, so it stands on the light libraries alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from entrepot.lib.fits import Card

if TYPE_CHECKING:
    from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["CLASSES", "DEFAULT", "DESCRIBED", "KEYWORDS", "REFUSED", "REQUIRED_FIELDS", "Rules", "rules_of"]

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
"""The card that each field of a frame is read from, where a facility sets nothing else."""

REQUIRED_FIELDS = (
    "proposal_id", "observation_date", "instrument_id", "site_id", "telescope_id", "configuration_type",
    "observation_id",
)  # fmt: skip
RELATED = (
    "L1IDBIAS", "L1IDDARK", "L1IDFLAT", "L1IDSHUT", "L1IDMASK", "L1IDFRNG", "L1IDCAT", "L1IDARC", "L1ID1D",
    "L1ID2D", "L1IDSUM", "TARFILE", "ORIGNAME", "ARCFILE", "FLATFILE", "GUIDETAR",
)  # fmt: skip

DESCRIBED, REFUSED = "described", "refused"
CLASSES: Mapping[str, str] = {
    ".fits": "fits", ".fits.fz": "fits", ".fits.gz": "fits",
    ".tar": "tar", ".tar.gz": "tar", ".tgz": "tar",
    ".pdf": DESCRIBED, ".jpg": DESCRIBED, ".jpeg": DESCRIBED, ".png": DESCRIBED, ".gif": DESCRIBED,
}  # fmt: skip
"""The class of files with each extension, where a facility sets nothing else."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How files are read; plain values, which go to the child processes as JSON."""

    days_until_public: int = 365
    calibration_types: Sequence[str] = ()
    public_proposals: Sequence[str] = ()
    private_proposals: Sequence[str] = ()
    private_name_parts: Sequence[str] = ()
    given: Mapping[str, Card] = field(default_factory=dict[str, Card])
    """Cards that are put over those of every HDU."""
    keywords: Mapping[str, str] = field(default_factory=lambda: KEYWORDS)
    alternatives: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """By its first name, the other names of a card, which are asked in turn where it is missing."""
    required: Sequence[str] = ()
    """The cards without which an HDU describes no frame; none: those of ``REQUIRED_FIELDS``."""
    dropped: Sequence[str] = ("HISTORY", "COMMENT")
    nulls: Sequence[str] = ("N/A", "UNSPECIFIED", "UNKNOWN")
    numbers: Sequence[str] = ("BLKUID", "REQNUM", "MOLUID", "TRACKNUM")
    """The cards that are null, not empty, where they have no value."""
    related: Sequence[str] = RELATED
    catalog_target: str = "L1IDCAT"
    radius: str = "RADIUS"
    ra: str = "RA"
    dec: str = "DEC"
    classes: Mapping[str, str] = field(default_factory=lambda: CLASSES)
    """The class of the files of each extension (everything from the first dot)."""

    @property
    def required_cards(self) -> Sequence[str]:
        """The cards that every file has to have."""
        return self.required or [self.keywords[name] for name in REQUIRED_FIELDS]


DEFAULT = Rules()
"""How files are read where a facility sets nothing."""


def rules_of(settings: ArchiveSettings, given: Mapping[str, Card]) -> Rules:
    """Give the rules that a facility has set, with the cards that the caller gives."""
    keys = {name: cast("tuple[str, ...]", getattr(settings, f"{name}_key")) for name in KEYWORDS}
    others = (settings.configuration_id_key, settings.requestgroup_id_key, settings.catalog_target_frame_key)
    places = (settings.radius_key, settings.ra_key, settings.dec_key)
    every = (*keys.values(), *others, *places)
    radius, ra, dec = (key[0] for key in places)
    classes = dict(CLASSES)
    for pair in settings.file_classes:
        extension, _, kind = pair.partition("=")
        classes[extension] = kind
    return Rules(
        days_until_public=settings.days_until_public,
        calibration_types=settings.calibration_types,
        public_proposals=settings.public_proposals,
        private_proposals=settings.private_proposals,
        private_name_parts=settings.private_name_parts,
        given=given,
        keywords={name: key[0] for name, key in keys.items()},
        alternatives={key[0]: key[1:] for key in every if len(key) > 1},
        required=settings.required_headers,
        dropped=settings.header_blacklist,
        nulls=settings.null_header_values,
        numbers=tuple(key[0] for key in (keys["observation_id"], keys["request_id"], *others[:2])),
        related=settings.related_frame_keys,
        catalog_target=settings.catalog_target_frame_key[0],
        radius=radius,
        ra=ra,
        dec=dec,
        classes={extension: kind for extension, kind in classes.items() if kind != REFUSED},
    )
