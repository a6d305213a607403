"""The envelopes of lists and their links."""

from __future__ import annotations

from urllib.parse import urlencode

from entrepot.kernel.context import RequestContext
from entrepot.modules.archive.cursors import write_cursor
from entrepot.modules.archive.documents import Json, render_object
from entrepot.modules.archive.models import FramePage, FrameQuery

__all__ = ["cursor_envelope", "offset_envelope"]


def _link(visit: RequestContext, **changes: object) -> str:
    """Give the caller's own URL with other parameters, sorted; None leaves one out."""
    kept = [pair for pair in visit.request.query_params.multi_items() if pair[0] not in changes]
    kept += [(name, str(value)) for name, value in changes.items() if value is not None]
    return f"{visit.base}{visit.request.scope['path']}?{urlencode(sorted(kept))}"


def offset_envelope(
    visit: RequestContext, results: Json, *, limit: int, offset: int, page: FramePage
) -> Json:
    """Put a page into the envelope with count; ``next`` is there exactly when more rows are."""
    before = max(offset - limit, 0)
    members: dict[str, object] = {
        "count": page.count,
        "next": _link(visit, limit=limit, offset=offset + limit) if page.more else None,
        "previous": _link(visit, limit=limit, offset=before or None) if offset > 0 else None,
        "results": results,
        "count_estimated": not page.count_is_exact,
    }
    return render_object(members)


def cursor_envelope(
    visit: RequestContext, results: Json, query: FrameQuery, page: FramePage, secret: bytes
) -> Json:
    """Put a page into the envelope of keyset paging."""
    behind = page.more or query.backwards
    before = page.more if query.backwards else query.after is not None

    def link(*, backwards: bool) -> str | None:
        if not page.frames:
            return None
        row = page.frames[0 if backwards else -1]
        token = write_cursor(query, row, backwards=backwards, secret=secret)
        return _link(visit, cursor=token, limit=query.limit)

    members: dict[str, object] = {
        "next": link(backwards=False) if behind else None,
        "previous": link(backwards=True) if before else None,
        "results": results,
    }
    return render_object(members)
