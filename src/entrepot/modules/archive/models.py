"""The archive's plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from entrepot.lib.sky import Box, Cover, Quad, Vector

__all__ = [
    "Condition",
    "FileState",
    "Frame",
    "FramePage",
    "FrameQuery",
    "ListedFrame",
    "Listing",
    "NewVersion",
    "Place",
    "PlaceKind",
    "PostedFrame",
    "PostedThumbnail",
    "Sight",
    "StoredFile",
    "Thumbnail",
    "Version",
]


class FileState(StrEnum):
    """What is known of a version's bytes in the store."""

    UNCHECKED = "unchecked"
    CHECKED = "checked"
    MISSING = "missing"
    MISMATCH = "mismatch"
    OVERWRITTEN = "overwritten"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller may see at ``now``: everything dated, or what is public or of their projects."""

    everything: bool
    projects: frozenset[str]
    now: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One stored file of a frame."""

    id: int
    frame_id: int
    key: str
    md5: str
    extension: str
    path: str
    created: datetime
    store_version: str | None = None
    size: int | None = None
    crc32: int | None = None
    sha256: str | None = None
    etag: str | None = None
    state: FileState = FileState.UNCHECKED
    checked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure or product; ``versions`` are newest first."""

    id: int
    basename: str
    observation_date: datetime | None = None
    observation_day: date | None = None
    public_date: datetime | None = None
    proposal_id: str = ""
    instrument_id: str = ""
    target_name: str = ""
    site_id: str = ""
    telescope_id: str = ""
    primary_optical_element: str = ""
    configuration_type: str = ""
    reduction_level: int = 0
    exposure_time: float | None = None
    observation_id: int | None = None
    request_id: int | None = None
    submitter: str = ""
    area: str | None = None
    revision: int = 0
    cover: Cover | None = None
    """The area, cut into convex pieces; None where it wasn't read."""
    versions: tuple[Version, ...] = ()


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version as a client announces it."""

    key: str
    md5: str
    extension: str


@dataclass(frozen=True, slots=True)
class PostedFrame:
    """A frame as posted and found valid; ``values`` has only the fields that were sent."""

    basename: str
    values: Mapping[str, object]
    headers: str
    header_extname: str
    related: tuple[str, ...]
    versions: tuple[NewVersion, ...]
    cover: Cover
    """The area, cut into convex pieces."""


@dataclass(frozen=True, slots=True)
class PostedThumbnail:
    """A thumbnail as posted and found valid, with what it says of its frame."""

    frame: PostedFrame
    frame_basename: str
    size: str
    file: NewVersion


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of a frame."""

    id: int
    frame_id: int
    size: str
    basename: str
    extension: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the archive that the caller may have."""

    kind: Literal["version", "thumbnail"]
    id: int
    filename: str
    md5: str
    path: str
    store_version: str | None
    created: datetime
    size: int | None
    etag: str | None
    state: FileState
    replaced: bool
    """A newer version was put under the same path."""


Operator = Literal["eq", "ge", "le", "has", "in", "not in", "is empty"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one column."""

    column: str
    operator: Operator
    value: object


PlaceKind = Literal["point", "cone", "meets", "covers"]


@dataclass(frozen=True, slots=True)
class Place:
    """What a frame's footprint is asked for: it has a point, comes near one, meets or covers a region."""

    kind: PlaceKind
    box: Box
    """Meets the box of every footprint that is meant."""
    centre: Vector
    radius: float = 0.0
    """Degrees about the centre."""
    pieces: tuple[Quad, ...] = ()
    """A region's, convex."""
    points: tuple[Vector, ...] = ()
    """All corners of the pieces."""


@dataclass(frozen=True, slots=True)
class FrameQuery:
    """A search: conditions that all hold, an order, and which page of the answer."""

    conditions: tuple[Condition, ...] = ()
    places: tuple[Place, ...] = ()
    """The index is asked for the first."""
    public: bool | None = None
    order: tuple[tuple[str, bool], ...] = (("observation_date", True),)
    """Columns with whether they run downwards; the id breaks ties in the direction of the last."""
    limit: int = 100
    offset: int = 0
    after: tuple[object, ...] | None = None
    """Keyset: the sort values and id of the row that the page starts behind."""
    backwards: bool = False
    nothing: bool = False
    """A condition can't hold, so the answer is empty."""


@dataclass(frozen=True, slots=True)
class ListedFrame:
    """A frame as a list gives it: its stored document and what depends on the caller."""

    id: int
    document: str
    related: str
    """The ids of related frames that the caller may see, as JSON numbers between commas."""
    sort_values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of a search, and how many there are in all where that is known."""

    frames: list[ListedFrame]
    total: int | None = None
    crowded: bool = False
    """Very many frames lie at the place, so that counting them takes long."""


@dataclass(frozen=True, slots=True)
class FramePage:
    """A page of a search."""

    frames: tuple[ListedFrame, ...]
    more: bool
    """Whether rows follow in the direction of the page."""
    count: int | None = None
    count_is_exact: bool = True
    thumbnails: Mapping[int, tuple[Thumbnail, ...]] = field(default_factory=dict[int, tuple[Thumbnail, ...]])
