"""The archive's own settings (``ENTREPOT_ARCHIVE_*``)."""

from __future__ import annotations

from pydantic import Field

from entrepot.kernel.settings import Names, Section

__all__ = ["ArchiveSettings"]

CONFIGURATION_TYPES = (
    "BIAS", "DARK", "EXPOSE", "SPECTRUM", "LAMPFLAT", "SKYFLAT", "STANDARD", "TRAILED", "GUIDE",
    "EXPERIMENTAL", "CATALOG", "BPM", "TARGET", "OBJECT",
)  # fmt: skip


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
        default=10_000, ge=0, description="result sizes up to this are always counted exactly"
    )
    redirect_downloads: bool = Field(
        default=False,
        description="send downloads to a signed URL of the S3 store instead of through the server",
    )
    signed_url_seconds: int = Field(
        default=172_800, ge=60, le=604_800, description="how long a signed URL works"
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
