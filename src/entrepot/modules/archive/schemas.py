"""What goes over the wire, as the API reference shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Generic, Literal, TypeVar, cast

from pydantic import BaseModel, Field

__all__ = [
    "CheckedVersion", "Cursored", "FrameAnswer", "FrameOut", "Headers", "Message", "Page", "PostedFrameIn",
    "PostedThumbnailIn", "Problem", "Profile", "Roots", "SignIn", "ThumbnailAnswer", "ThumbnailOut",
    "TokenOut", "VersionOut", "query_parameters", "request_body",
]  # fmt: skip

T = TypeVar("T")


class Problem(BaseModel):
    """A failure: one sentence about it."""

    detail: str


class Polygon(BaseModel):
    """A footprint on the sky: RA and Dec in degrees, the ring closed."""

    type: Literal["Polygon"]
    coordinates: list[list[tuple[float, float]]]


class VersionOut(BaseModel):
    """One stored file of a frame."""

    id: int
    created: datetime
    key: str
    md5: str
    extension: str
    url: str


class CheckedVersion(VersionOut):
    """A version with what is known of its bytes."""

    frame: int
    size: int | None = Field(None, description="bytes")
    crc32: str | None = Field(None, description="8 hexadecimal digits")
    sha256: str | None = None
    state: Literal["unchecked", "checked", "missing", "mismatch", "overwritten"]
    checked: datetime | None = None


class ThumbnailOut(BaseModel):
    """A small picture of a frame."""

    id: int
    frame: int
    size: str
    basename: str
    extension: str
    key: str
    url: str


class _FrameFields(BaseModel):
    observation_date: datetime | None
    observation_day: date | None
    proposal_id: str
    instrument_id: str
    target_name: str
    reduction_level: int
    site_id: str
    telescope_id: str
    exposure_time: float | None
    primary_optical_element: str
    public_date: datetime | None
    configuration_type: str
    observation_id: int | None
    request_id: int | None


class FrameOut(_FrameFields):
    """A frame as lists and details give it; the upper-case keys repeat fields under their old names."""

    id: int
    basename: str
    version_set: list[VersionOut]
    url: str | None
    filename: str | None
    thumbnails: list[ThumbnailOut] | None = None
    DATE_OBS: datetime | None
    DAY_OBS: date | None
    PROPID: str
    INSTRUME: str
    OBJECT: str
    RLEVEL: int
    SITEID: str
    TELID: str
    EXPTIME: float | None
    FILTER: str
    L1PUBDAT: datetime | None
    OBSTYPE: str
    BLKUID: int | None
    REQNUM: int | None
    area: Polygon | None = None
    related_frames: list[int] | None = None


class FrameAnswer(_FrameFields):
    """A frame as POST and ``related`` answer it."""

    id: int
    basename: str
    area: Polygon | None
    related_frames: list[int]
    version_set: list[VersionOut]
    filename: str | None = None
    url: str | None = None


class NewVersionIn(BaseModel):
    """The file of a new version, which lies in the store already."""

    key: str = Field(max_length=1024, description="folder store: the MD5 sum; S3: the VersionId")
    md5: str = Field(min_length=32, max_length=32)
    extension: str = Field(max_length=20, examples=[".fits.fz"])


class PostedFrameIn(BaseModel):
    """The metadata of a file that was put into the store."""

    basename: str = Field(max_length=1000, examples=["ogg0m404-sq33-20250304-0001-e00"])
    area: Polygon | None
    observation_day: str = Field(examples=["20250304"])
    observation_date: datetime | None = None
    public_date: datetime | None = None
    headers: object
    configuration_type: str = Field(examples=["EXPOSE"])
    related_frame_filenames: list[str]
    version_set: list[NewVersionIn]
    proposal_id: str = Field("", max_length=200)
    instrument_id: str = Field("", max_length=64)
    target_name: str = Field("", max_length=200)
    site_id: str = Field("", max_length=3)
    telescope_id: str = Field("", max_length=4)
    primary_optical_element: str = Field("", max_length=100)
    reduction_level: int = Field(0, ge=-32768, le=32767)
    exposure_time: float | None = None
    observation_id: int | None = Field(None, ge=0, lt=2**31)
    request_id: int | None = Field(None, ge=0, lt=2**31)


class PostedThumbnailIn(PostedFrameIn):
    """The metadata of a thumbnail that was put into the store."""

    frame_basename: str
    size: str = Field(examples=["small"])


class ThumbnailAnswer(BaseModel):
    """A thumbnail as POST answers it, with its frame."""

    id: int
    frame: FrameAnswer
    size: str
    basename: str
    url: str
    key: str
    extension: str


class _Links(BaseModel):
    next: str | None
    previous: str | None


class Page(_Links, Generic[T]):
    """A page by limit and offset."""

    count: int
    results: list[T]
    count_estimated: bool = Field(description="true: there are at least ``count``, perhaps more")


class Cursored(_Links, Generic[T]):
    """A page by cursor."""

    results: list[T]


class Headers(BaseModel):
    """A frame's headers as they were posted."""

    data: object


class SignIn(BaseModel):
    """Name and password."""

    username: str
    password: str


class TokenOut(BaseModel):
    """A token for ``Authorization: Token …``."""

    token: str


class Message(BaseModel):
    """A sentence."""

    message: str


class Projects(BaseModel):
    """The proposals of a user."""

    proposals: list[str] | None = None


class Profile(BaseModel):
    """Who is asking; the name is empty for the anonymous."""

    username: str
    profile: Projects
    is_staff: bool


def request_body(model: type[BaseModel]) -> dict[str, object]:
    """Describe a JSON body for the API reference; what the model refers to stands in its place."""
    schema = model.model_json_schema()
    whole = _inlined(schema, schema.pop("$defs", {}))
    return {"required": True, "content": {"application/json": {"schema": whole}}}


def _inlined(value: object, parts: Mapping[str, object]) -> object:
    if isinstance(value, list):
        return [_inlined(item, parts) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    if "$ref" in members:
        return _inlined(parts[str(members["$ref"]).rpartition("/")[2]], parts)
    return {name: _inlined(item, parts) for name, item in members.items()}


def query_parameters(meanings: Mapping[str, str]) -> dict[str, object]:
    """Describe the parameters of a query for the API reference."""
    return {
        "parameters": [
            {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
            for name, meaning in meanings.items()
        ]
    }


class Roots(BaseModel):
    """Where the collections are."""

    frames: str
    versions: str
    thumbnails: str
