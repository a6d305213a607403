"""Where files lie in the store: the scheme of the old client, which shares the store with us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from entrepot.modules.archive.models import Frame

__all__ = ["own_path", "shared_path", "thumbnail_path"]

PICTURES = (".jpg", ".jpeg")


def shared_path(frame: Frame, extension: str, header_extname: str = "") -> str:
    """Give the path under which the old client puts a frame's file (contract §6).

    ``<site>/<instrument>/<YYYYMMDD>/<raw|processed>/<name>``, raw for reduction level 0;
    bad-pixel masks in tile-compressed files lie in ``<site>/<instrument>/bpm/<name>``, pictures among
    the thumbnails.
    """
    name = frame.basename + extension
    if extension in PICTURES:
        return thumbnail_path(frame, name)
    if extension == ".fits.fz" and _is_mask(frame, header_extname):
        return _join((frame.site_id, frame.instrument_id, "bpm", name))
    kind = "raw" if frame.reduction_level == 0 else "processed"
    return _join((frame.site_id, frame.instrument_id, _day(frame.observation_day), kind, name))


def own_path(frame: Frame, extension: str, md5: str) -> str:
    """Give the path under which our own doors put a version: one that no other version has.

    Basenames have no dot and posted extensions are short, so no shared path is like it.
    """
    kind = "raw" if frame.reduction_level == 0 else "processed"
    name = f"{frame.basename}.{md5}{extension}"
    return _join((frame.site_id, frame.instrument_id, _day(frame.observation_day), kind, name))


def thumbnail_path(frame: Frame, filename: str) -> str:
    """Give the path under which the old client puts a frame's thumbnail."""
    return _join((frame.site_id, frame.instrument_id, _day(frame.observation_day), "thumbnails", filename))


def _join(parts: Sequence[str]) -> str:
    return "/".join(part for part in parts if part)


def _day(day: date | None) -> str:
    return day.strftime("%Y%m%d") if day else ""


def _is_mask(frame: Frame, header_extname: str) -> bool:
    name_parts = frame.basename.replace("_", "-").split("-")
    return (
        frame.configuration_type == "BPM"
        or header_extname == "BPM"
        or (len(name_parts) > 1 and "bpm" in name_parts)
    )
