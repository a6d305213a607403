"""Finding frames: pages with honest counts, details, headers and relations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from entrepot.kernel.db import ReadSession
from entrepot.kernel.errors import NotFound
from entrepot.kernel.identity import Caller
from entrepot.modules.archive.models import (
    Frame,
    FramePage,
    FrameQuery,
    ListedFrame,
    Sight,
    Thumbnail,
    Version,
)  # fmt: skip
from entrepot.modules.archive.service.visibility import sight_of
from entrepot.modules.archive.settings import ArchiveSettings
from entrepot.modules.archive.store import crowds
from entrepot.modules.archive.store import search as store

__all__ = [
    "find_frame", "find_frames", "find_headers", "find_related", "find_thumbnail", "find_thumbnails",
    "find_version", "find_versions",
]  # fmt: skip

FORCED_SECONDS = 5.0
NARROW_SECONDS = 1.5
NO_FRAME = "No Frame matches the given query."
LARGEST_ID = 2**63 - 1


async def find_frames(
    session: ReadSession,
    caller: Caller,
    query: FrameQuery,
    settings: ArchiveSettings,
    *,
    with_thumbnails: bool = False,
    counted: bool = True,
    forced: bool = False,
) -> FramePage:
    """Give a page of the frames that the caller may see, newest first unless the query says otherwise.

    ``forced`` asks for an exact count, which callers with an account may have.
    """
    sight = sight_of(caller)
    listing = await crowds.find_frames(session, query, sight)
    rows = listing.frames
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    if query.backwards:
        rows.reverse()
    pictures: Mapping[int, tuple[Thumbnail, ...]] = {}
    if with_thumbnails and rows:
        pictures = await store.thumbnails_of(session, [row.id for row in rows])
    page = FramePage(frames=tuple(rows), more=more, thumbnails=pictures)
    if not counted:
        return page
    if listing.total is not None:
        return replace(page, count=listing.total, count_is_exact=True)
    exact_to = min(settings.count_exact_to, crowds.CROWD) if listing.crowded else settings.count_exact_to
    return await _counted(session, page, query, sight, exact_to, forced=forced and not caller.is_anonymous)


async def _counted(
    session: ReadSession,
    page: FramePage,
    query: FrameQuery,
    sight: Sight,
    exact_to: int,
    *,
    forced: bool,
) -> FramePage:
    seen = query.offset + len(page.frames)
    if not page.more and (page.frames or query.offset == 0):
        return replace(page, count=seen, count_is_exact=True)
    least = seen + page.more if page.frames else 0
    most = None if forced or _is_narrow(query) else exact_to + 1
    seconds = FORCED_SECONDS if forced else NARROW_SECONDS
    found = await store.count(session, query, sight, most=most, seconds=seconds)
    if found is None:
        return replace(page, count=least, count_is_exact=False)
    return replace(page, count=max(found, least), count_is_exact=most is None or found < most)


def _is_narrow(query: FrameQuery) -> bool:
    """Tell whether the search is of a kind that is always counted to the end (contract §2.1)."""
    values = {(one.column, one.operator): one.value for one in query.conditions}
    columns = {column for column, operator in values if operator == "eq"}
    if columns & {"request_id", "observation_id", "basename"}:
        return True
    start, end = values.get(("observation_date", "ge")), values.get(("observation_date", "le"))
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return False
    named = "proposal_id" in columns or ("target_name", "in") in values
    return end - start <= (timedelta(weeks=9) if named else timedelta(days=7))


async def find_frame(
    session: ReadSession, caller: Caller, frame_id: int, query: FrameQuery, *, with_thumbnails: bool
) -> tuple[ListedFrame, Mapping[int, tuple[Thumbnail, ...]]]:
    """Give one frame; raises NotFound also for what the caller may not see."""
    sight = sight_of(caller)
    found = await store.detail(session, frame_id, query, sight) if frame_id <= LARGEST_ID else None
    if found is None:
        raise NotFound(NO_FRAME)
    pictures = await store.thumbnails_of(session, [frame_id]) if with_thumbnails else {}
    return found, pictures


async def find_headers(session: ReadSession, caller: Caller, frame_id: int) -> str:
    """Give a frame's headers as JSON text."""
    found = await store.headers_of(session, frame_id, sight_of(caller)) if frame_id <= LARGEST_ID else None
    if found is None:
        raise NotFound(NO_FRAME)
    return found


async def find_related(session: ReadSession, caller: Caller, frame_id: int) -> list[tuple[Frame, list[int]]]:
    """Give the related frames that the caller may see, each with the ids related to it."""
    sight = sight_of(caller)
    if frame_id > LARGEST_ID or not await store.is_visible(session, frame_id, sight):
        raise NotFound(NO_FRAME)
    frames = await store.frames_related_to(session, frame_id, sight)
    related = await store.related_ids(session, [frame.id for frame in frames], sight) if frames else {}
    return [(frame, related.get(frame.id, [])) for frame in frames]


async def find_versions(
    session: ReadSession, md5: str | None, limit: int, offset: int
) -> tuple[list[tuple[Version, str]], int]:
    """Give a page of all versions with their frames' basenames, and the exact count."""
    return await store.list_versions(session, md5.lower() if md5 else None, limit, offset)


async def find_version(session: ReadSession, version_id: int) -> tuple[Version, str]:
    """Give one version with its frame's basename."""
    found = await store.version_by_id(session, version_id) if version_id <= LARGEST_ID else None
    if found is None:
        raise NotFound("No Version matches the given query.")
    return found


async def find_thumbnails(
    session: ReadSession, caller: Caller, conditions: Mapping[str, object], limit: int, offset: int
) -> tuple[list[Thumbnail], int]:
    """Give a page of the thumbnails of frames that the caller may see, and the exact count."""
    sight = sight_of(caller)
    return await store.list_thumbnails(session, conditions, sight, limit=limit, offset=offset)


async def find_thumbnail(session: ReadSession, caller: Caller, thumbnail_id: int) -> Thumbnail:
    """Give one thumbnail."""
    found: list[Thumbnail] = []
    if thumbnail_id <= LARGEST_ID:
        found, _ = await find_thumbnails(session, caller, {"id": thumbnail_id}, 1, 0)
    if not found:
        raise NotFound("No Thumbnail matches the given query.")
    return found[0]
