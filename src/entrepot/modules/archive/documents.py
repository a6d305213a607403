"""The JSON of a frame in its two forms, and the parts of it that are put in when it is read.

A stored document is the list form without what depends on the caller: ``BASE`` stands where the base of
URLs goes, ``THUMBNAILS`` where thumbnails go, and the related frames and the closing brace are added at the
end. Both marks are control characters, which JSON text can't contain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from urllib.parse import quote

from entrepot.modules.archive.models import Frame, ListedFrame, Thumbnail, Version

__all__ = [
    "Json", "checked_version_object", "dumps", "frame_answer", "join_documents", "moment", "read_day",
    "read_moment", "render_document", "render_object", "thumbnail_answer", "thumbnail_object",
]  # fmt: skip

BASE = "\x01"
THUMBNAILS = "\x02"

OLD_NAMES = {
    "DATE_OBS": "observation_date",
    "DAY_OBS": "observation_day",
    "PROPID": "proposal_id",
    "INSTRUME": "instrument_id",
    "OBJECT": "target_name",
    "RLEVEL": "reduction_level",
    "SITEID": "site_id",
    "TELID": "telescope_id",
    "EXPTIME": "exposure_time",
    "FILTER": "primary_optical_element",
    "L1PUBDAT": "public_date",
    "OBSTYPE": "configuration_type",
    "BLKUID": "observation_id",
    "REQNUM": "request_id",
}
"""The names that older clients know the fields by."""

LIST_FIELDS = (
    "observation_date", "observation_day", "proposal_id", "instrument_id", "target_name", "reduction_level",
    "site_id", "telescope_id", "exposure_time", "primary_optical_element", "public_date",
    "configuration_type", "observation_id", "request_id",
)  # fmt: skip

ANSWER_FIELDS = (
    "reduction_level", "observation_day", "observation_date", "proposal_id", "instrument_id", "target_name",
    "site_id", "telescope_id", "exposure_time", "primary_optical_element", "public_date",
    "configuration_type", "observation_id", "request_id",
)  # fmt: skip


ISO_DAY = r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}"
ISO_MOMENT = rf"{ISO_DAY}(?:[T ].+)?"


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Json(str):
    """Text that is JSON already."""

    __slots__ = ()


def moment(value: datetime) -> str:
    """Write a moment as the wire has it: UTC, the fraction left out when it is zero."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def read_day(text: str) -> date:
    """Read ``YYYY-MM-DD`` or ``YYYYMMDD``; raises ValueError."""
    if not re.fullmatch(ISO_DAY, text):
        raise ValueError("not a day")
    return date.fromisoformat(text)


def read_moment(text: str) -> datetime:
    """Read an ISO date-time, or a day alone; without a zone it is UTC. Raises ValueError."""
    # datetime takes any character between day and time, so a zone behind a day would pass for a time.
    if not re.fullmatch(ISO_MOMENT, text):
        raise ValueError("not a moment")
    value = datetime.fromisoformat(text)
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not a moment of the years 1 to 9999") from error


def dumps(value: object) -> str:
    """Write a value as compact JSON; moments and days as the wire has them."""
    if isinstance(value, Json):
        return value
    # The encoder takes longer to get going than for these.
    if value is None:
        return "null"
    if type(value) is int:
        return str(value)
    if isinstance(value, datetime):
        return f'"{moment(value)}"'
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    return _encode(value)


def render_object(members: Mapping[str, object]) -> Json:
    """Write an object whose values may be JSON already."""
    return Json("{" + ",".join(f'"{name}":{dumps(value)}' for name, value in members.items()) + "}")


def _array(parts: Iterable[str]) -> Json:
    return Json("[" + ",".join(parts) + "]")


def file_url(key: str, filename: str) -> str:
    """Give the path below the archive's base at which a file is downloaded."""
    return f"/files/{quote(key, safe='')}/{quote(filename, safe='')}"


def _url(base: str, key: str, filename: str) -> Json:
    return Json(f'"{base}{file_url(key, filename)}"')


def version_object(version: Version, basename: str, base: str) -> dict[str, object]:
    """Give a version's members in the order of ``/versions/``."""
    return {
        "id": version.id,
        "created": version.created,
        "key": version.key,
        "md5": version.md5,
        "extension": version.extension,
        "url": _url(base, version.key, basename + version.extension),
    }


def checked_version_object(version: Version, basename: str, base: str) -> dict[str, object]:
    """Give a version's members with what is known of its bytes."""
    return version_object(version, basename, base) | {
        "frame": version.frame_id,
        "size": version.size,
        "crc32": None if version.crc32 is None else f"{version.crc32:08x}",
        "sha256": version.sha256,
        "state": version.state.value,
        "checked": version.checked,
    }


def thumbnail_object(thumbnail: Thumbnail, base: str) -> dict[str, object]:
    """Give a thumbnail's members."""
    return {
        "id": thumbnail.id,
        "frame": thumbnail.frame_id,
        "size": thumbnail.size,
        "basename": thumbnail.basename,
        "extension": thumbnail.extension,
        "key": thumbnail.key,
        "url": _url(base, thumbnail.key, thumbnail.basename + thumbnail.extension),
    }


def thumbnail_answer(thumbnail: Thumbnail, frame: Frame, related: Iterable[int], base: str) -> Json:
    """Write a thumbnail as POST answers it."""
    members = thumbnail_object(thumbnail, base) | {"frame": frame_answer(frame, related, base)}
    order = ("id", "frame", "size", "basename", "url", "key", "extension")
    return render_object({name: members[name] for name in order})


def render_document(frame: Frame) -> str:
    """Write a frame's list form up to where its related frames go."""
    newest = frame.versions[0] if frame.versions else None
    versions: list[Json] = []
    for version in frame.versions:
        members = version_object(version, frame.basename, BASE)
        versions.append(render_object({name: members[name] for name in VERSION_SET_ORDER}))
    members: dict[str, object] = {"id": frame.id, "basename": frame.basename}
    members |= {name: getattr(frame, name) for name in LIST_FIELDS}
    members["version_set"] = _array(versions)
    members["url"] = _url(BASE, newest.key, frame.basename + newest.extension) if newest else None
    members["filename"] = frame.basename + newest.extension if newest else None
    old: dict[str, object] = {name: getattr(frame, field) for name, field in OLD_NAMES.items()}
    if frame.area is not None:
        old["area"] = Json(frame.area)
    return render_object(members)[:-1] + THUMBNAILS + "," + render_object(old)[1:-1]


VERSION_SET_ORDER = ("id", "key", "md5", "extension", "url", "created")


def join_documents(
    frames: Iterable[ListedFrame],
    base: str,
    *,
    related: bool = True,
    thumbnails: Mapping[int, tuple[Thumbnail, ...]] | None = None,
) -> str:
    """Put stored documents together as the members of a JSON array; ``base`` is the archive's own."""
    if related:
        text = ",".join([f'{frame.document},"related_frames":[{frame.related}]}}' for frame in frames])
    else:
        text = ",".join([f"{frame.document}}}" for frame in frames])
    if thumbnails is None:
        text = text.replace(THUMBNAILS, "")
    else:
        pieces = text.split(THUMBNAILS)
        pictures = [_thumbnails(thumbnails.get(frame.id, ())) for frame in frames]
        text = "".join(part for pair in zip(pieces, [*pictures, ""], strict=True) for part in pair)
    return text.replace(BASE, base)


def _thumbnails(thumbnails: tuple[Thumbnail, ...]) -> str:
    return ',"thumbnails":' + _array(render_object(thumbnail_object(one, BASE)) for one in thumbnails)


def frame_answer(frame: Frame, related: Iterable[int], base: str) -> Json:
    """Write a frame as POST and ``related`` answer it."""
    members: dict[str, object] = {
        "id": frame.id,
        "basename": frame.basename,
        "area": None if frame.area is None else Json(frame.area),
        "related_frames": sorted(related),
        "version_set": _array(
            render_object(
                {name: members[name] for name in ("id", "created", "key", "md5", "extension", "url")}
            )
            for members in (version_object(version, frame.basename, base) for version in frame.versions)
        ),
    }
    if frame.versions:
        newest = frame.versions[0]
        members["filename"] = frame.basename + newest.extension
        members["url"] = _url(base, newest.key, frame.basename + newest.extension)
    members |= {name: getattr(frame, name) for name in ANSWER_FIELDS}
    return render_object(members)
