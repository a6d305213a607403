"""Searching where very many frames lie at one place of the sky: by slices of time, in the order asked for.

The sky index has time as a dimension, so a slice costs what it holds, not what lies at the place. Without
slices, all frames of a field that was observed 100,000 times would be tested and sorted for a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from entrepot.kernel.db import ReadSession
from entrepot.modules.archive.models import FrameQuery, ListedFrame, Listing, Sight
from entrepot.modules.archive.store.search import count_within, list_frames, nearby, observed_between
from entrepot.modules.archive.store.sky import EVER, UNITS_A_DAY, UNITS_A_MICROSECOND, Window, sky_time

__all__ = ["CROWD", "find_frames"]

CROWD = 2000
"""Frames near a place from which on it is searched by slices of time."""
SLICE_FOR_ROW = 4
"""Candidates that a slice may hold for each row that is wanted."""
SMALLEST = UNITS_A_DAY / 86_400
"""A slice of one second is not cut further."""


async def find_frames(session: ReadSession, query: FrameQuery, sight: Sight) -> Listing:
    """Give a page of frames with one more row than the limit, where there is one."""
    if not query.places or query.nothing or query.order[0][0] != "observation_date":
        return await list_frames(session, query, sight)
    if await nearby(session, query, EVER, CROWD) < CROWD:
        return await list_frames(session, query, sight)
    whole = await _whole(session, query)
    return Listing(await _by_slices(session, query, sight, whole) if whole else [], crowded=True)


async def _whole(session: ReadSession, query: FrameQuery) -> Window | None:
    """Give the span of time that can hold what a page wants."""
    dates = await observed_between(session)
    if dates is None:
        return None
    start, end = (sky_time(moment) for moment in dates)
    for operator, moment in _bounds(query):
        start = max(start, sky_time(moment)) if operator in ("ge", "eq") else start
        end = min(end, sky_time(moment)) if operator in ("le", "eq") else end
    return Window(start, end + UNITS_A_MICROSECOND / 2)


def _bounds(query: FrameQuery) -> Iterator[tuple[str, datetime]]:
    for one in query.conditions:
        if one.column == "observation_date" and isinstance(one.value, datetime):
            yield one.operator, one.value
    reached = query.after[0] if query.after else None
    if isinstance(reached, datetime):
        yield ("le" if _goes_down(query) else "ge"), reached


def _goes_down(query: FrameQuery) -> bool:
    return query.order[0][1] != query.backwards


async def _by_slices(
    session: ReadSession, query: FrameQuery, sight: Sight, whole: Window
) -> list[ListedFrame]:
    """Go through slices until the page is full; they grow where they hold few, and shrink in a crowd."""
    rows: list[ListedFrame] = []
    left, width, skip = whole, UNITS_A_DAY, query.offset
    while left.start < left.end and (missing := query.limit - len(rows)) >= 0:
        part, rest = _cut(left, width, down=_goes_down(query))
        most = max(CROWD // 4, SLICE_FOR_ROW * (missing + 1))
        held = await nearby(session, query, part, most)
        if held == most and width > SMALLEST:
            width /= 8
            continue
        left = rest
        if held < most // 8:
            width *= 8
        if not held:
            continue
        passed = await count_within(session, query, sight, part) if skip else 0
        if skip and passed <= skip:
            skip -= passed
            continue
        found = await list_frames(session, replace(query, offset=skip, limit=missing), sight, part)
        rows += found.frames
        skip = 0
    return rows


def _cut(whole: Window, width: float, *, down: bool) -> tuple[Window, Window]:
    """Cut a slice off the end that comes first; gives it and the rest."""
    if down:
        edge = max(whole.start, whole.end - width)
        return Window(edge, whole.end), Window(whole.start, edge)
    edge = min(whole.end, whole.start + width)
    return Window(whole.start, edge), Window(edge, whole.end)
