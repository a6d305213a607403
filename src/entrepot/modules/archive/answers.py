"""Answers in the form that the caller asked for, and failures in the shape that clients know."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Scope

from entrepot.kernel.context import RequestContext
from entrepot.kernel.errors import EntrepotError, InvalidInput, NotFound
from entrepot.kernel.web.negotiation import negotiate
from entrepot.modules.archive.pages import browse_page
from entrepot.modules.archive.query import BadRegion
from entrepot.modules.archive.settings import ArchiveSettings

__all__ = [
    "NO_STORE", "OWN_COPY", "PREFIX", "VARY_BY_CALLER", "archive_base", "form_of", "render", "render_error",
    "settings_of",
]  # fmt: skip

PREFIX = "/archive"
FORMS: Mapping[str, str] = {"json": "application/json", "api": "text/html"}
INDENT = re.compile(r";\s{0,9}indent=[0-9]+")
"""What clients of the reference may add to a media type; our JSON is compact all the same."""
OWN_COPY = "private, no-cache"
"""Cache-Control of what depends on the caller: kept by the caller alone, and asked for again."""
NO_STORE = "private, no-store"
VARY_BY_CALLER = "Authorization, X-Charon-API-Token"


def settings_of(visit: RequestContext) -> ArchiveSettings:
    """Give the archive's settings."""
    return visit.process.settings.section("archive", ArchiveSettings)


def archive_base(visit: RequestContext) -> str:
    """Give the base of the archive's URLs, as the caller came in."""
    return visit.base + PREFIX


def form_of(visit: RequestContext) -> str:
    """Choose the media type of the answer; to be asked before any work is done.

    Raises NotFound for an unknown ``format``, NotAcceptable when Accept takes none of ours.
    """
    wanted = visit.request.query_params.get("format") or None
    if visit.request.scope["path"].endswith(".json"):
        wanted = "json"
    if wanted is not None and wanted not in FORMS:
        raise NotFound("Not found.")
    accept = visit.request.headers.get("accept")
    return negotiate(accept and INDENT.sub("", accept), FORMS, wanted=wanted)


async def render(
    visit: RequestContext, text: str, form: str, *, status: int = 200, cache: str = OWN_COPY
) -> Response:
    """Answer with JSON text, or with the page that shows it; ``cache`` is its Cache-Control."""
    headers = {"Vary": f"Accept, {VARY_BY_CALLER}", "Cache-Control": cache}
    if form != "text/html":
        return Response(text.encode(), status, media_type="application/json", headers=headers)
    query = visit.request.scope["query_string"].decode("utf-8", "replace")
    path = visit.request.scope["path"] + (f"?{query}" if query else "")
    page = await asyncio.to_thread(browse_page, text, method=visit.request.method, path=path)
    return Response(page.encode(), status, media_type="text/html", headers=headers)


def render_error(error: EntrepotError, scope: Scope) -> Response:
    """Give a failure the contract's shape: sentences by field, or ``{"detail": …}``."""
    content: object = {"detail": error.detail}
    if isinstance(error, BadRegion):
        content = [error.detail]
    elif isinstance(error, InvalidInput) and error.fields:
        content = error.fields
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    headers = {"Cache-Control": NO_STORE, **error.headers}
    return Response(
        body.encode(errors="replace"), error.status, media_type="application/json", headers=headers
    )
