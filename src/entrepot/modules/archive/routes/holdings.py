"""What the archive holds of frames: versions, thumbnails and the files themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from starlette.responses import RedirectResponse

from entrepot.kernel.context import Visit
from entrepot.kernel.identity import Scope
from entrepot.kernel.paging import read_offset
from entrepot.kernel.web.files import file_response
from entrepot.modules.archive import schemas
from entrepot.modules.archive.answers import (
    OWN_COPY,
    VARY_BY_CALLER,
    archive_base,
    form_of,
    render,
    settings_of,
)  # fmt: skip
from entrepot.modules.archive.bodies import read_body
from entrepot.modules.archive.documents import (
    Json,
    checked_version_object,
    render_object,
    thumbnail_answer,
    thumbnail_object,
)  # fmt: skip
from entrepot.modules.archive.models import FramePage
from entrepot.modules.archive.paging import offset_envelope
from entrepot.modules.archive.posted import read_thumbnail
from entrepot.modules.archive.query import (
    page_limit,
    read_thumbnail_query,
    read_version_query,
)  # fmt: skip
from entrepot.modules.archive.service import download, ingest, search

__all__ = ["add_routes"]

READ = ["GET", "HEAD"]
VERSIONS: list[Any] = ["archive: versions"]
THUMBNAILS: list[Any] = ["archive: thumbnails"]
FILES: list[Any] = ["archive: files"]
PAGING = {"limit": "rows on a page", "offset": "rows to pass over"}
PICTURE_FILTERS = {
    "frame_basename": "basename of the frame",
    "proposal_id": "proposal of the frame",
    "observation_id": "observation of the frame",
    "request_id": "request of the frame",
    "size": "size of the thumbnail",
}


async def _open_files() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


OpenFiles = Annotated[AsyncExitStack, Depends(_open_files)]
"""What is open until the answer has gone out."""


def add_routes(routes: APIRouter) -> None:
    """Add the routes of versions, thumbnails and files."""
    for ending, shown in (("/", True), (".json", False)):
        more: dict[str, Any] = {"methods": READ, "include_in_schema": shown}
        routes.add_api_route(
            f"/versions{ending}", list_versions, tags=VERSIONS, summary="List versions, by md5 if you like",
            responses={200: {"model": schemas.Page[schemas.CheckedVersion]}},
            openapi_extra=schemas.query_parameters(PAGING | {"md5": "MD5 sum of the file"}), **more,
        )  # fmt: skip
        routes.add_api_route(
            f"/versions/{{version_id:row}}{ending}", show_version, tags=VERSIONS, summary="One version",
            responses={200: {"model": schemas.CheckedVersion}}, **more,
        )  # fmt: skip
        routes.add_api_route(
            f"/thumbnails{ending}", list_thumbnails, tags=THUMBNAILS, summary="List thumbnails",
            responses={200: {"model": schemas.Page[schemas.ThumbnailOut]}},
            openapi_extra=schemas.query_parameters(PAGING | PICTURE_FILTERS), **more,
        )  # fmt: skip
        routes.add_api_route(
            f"/thumbnails/{{thumbnail_id:row}}{ending}", show_thumbnail, tags=THUMBNAILS,
            summary="One thumbnail", responses={200: {"model": schemas.ThumbnailOut}}, **more,
        )  # fmt: skip
    routes.add_api_route(
        "/thumbnails/",
        create_thumbnail,
        methods=["POST"],
        tags=THUMBNAILS,
        status_code=201,
        summary="File a thumbnail",
        responses={201: {"model": schemas.ThumbnailAnswer}, 400: {"model": schemas.Problem}},
        openapi_extra={"requestBody": schemas.request_body(schemas.PostedThumbnailIn)},
    )
    routes.add_api_route(
        "/files/{key:segment}/{name:segment}",
        download_file,
        methods=READ,
        tags=FILES,
        summary="Download a file",
        response_class=Response,
        responses={
            200: {"content": {"application/octet-stream": {}}, "description": "the file"},
            206: {"description": "the ranges asked for"},
            302: {"description": "a signed URL of the store"},
            304: {"description": "what you have is current"},
            410: {"model": schemas.Problem},
        },
    )


async def list_versions(visit: Visit) -> Response:
    """List all versions, newest first, for staff; the count is exact."""
    form = form_of(visit)
    params, settings = visit.request.query_params, settings_of(visit)
    limit, offset = page_limit(params.get("limit", ""), settings), read_offset(params.get("offset", ""))
    md5 = read_version_query(params)
    async with visit.reading() as (caller, session):
        caller.require(Scope.READ, staff=True)
        rows, count = await search.find_versions(session, md5, limit, offset)
    base = archive_base(visit)
    results = ",".join(render_object(checked_version_object(one, name, base)) for one, name in rows)
    page = FramePage(frames=(), more=offset + len(rows) < count, count=count)
    envelope = offset_envelope(visit, Json(f"[{results}]"), limit=limit, offset=offset, page=page)
    return await render(visit, envelope, form)


async def show_version(visit: Visit, version_id: int) -> Response:
    """Give one version, for staff."""
    form = form_of(visit)
    async with visit.reading() as (caller, session):
        caller.require(Scope.READ, staff=True)
        version, name = await search.find_version(session, version_id)
    found = checked_version_object(version, name, archive_base(visit))
    return await render(visit, render_object(found), form)


async def list_thumbnails(visit: Visit) -> Response:
    """List the thumbnails of frames that you may see, newest first; the count is exact."""
    form = form_of(visit)
    params, settings = visit.request.query_params, settings_of(visit)
    conditions = read_thumbnail_query(params, settings)
    limit, offset = page_limit(params.get("limit", ""), settings), read_offset(params.get("offset", ""))
    async with visit.reading() as (caller, session):
        rows, count = await search.find_thumbnails(session, caller, conditions, limit, offset)
    base = archive_base(visit)
    results = ",".join(render_object(thumbnail_object(one, base)) for one in rows)
    page = FramePage(frames=(), more=offset + len(rows) < count, count=count)
    envelope = offset_envelope(visit, Json(f"[{results}]"), limit=limit, offset=offset, page=page)
    return await render(visit, envelope, form)


async def show_thumbnail(visit: Visit, thumbnail_id: int) -> Response:
    """Give one thumbnail."""
    form = form_of(visit)
    async with visit.reading() as (caller, session):
        found = await search.find_thumbnail(session, caller, thumbnail_id)
    return await render(visit, render_object(thumbnail_object(found, archive_base(visit))), form)


async def create_thumbnail(visit: Visit) -> Response:
    """File a thumbnail whose picture lies in the store; the same basename again replaces it."""
    form = form_of(visit)
    (await visit.caller()).require(Scope.WRITE, staff=True)
    settings = settings_of(visit)
    posted = await read_body(visit.request, lambda body: read_thumbnail(body, settings))
    thumbnail, filed = await ingest.file_thumbnail(visit.process, posted)
    answer = thumbnail_answer(thumbnail, filed.frame, filed.related, archive_base(visit))
    return await render(visit, answer, form, status=201)


async def download_file(visit: Visit, key: str, name: str, files: OpenFiles) -> Response:
    """Give a file's bytes, whole or by range, if you may see its frame."""
    settings = settings_of(visit)
    async with visit.reading() as (caller, session):
        found = await download.find_file(session, caller, key, name)
    if settings.redirect_downloads and visit.request.method == "GET":  # what is signed is the method too
        url = await download.signed_url(visit.process, found, settings.signed_url_seconds)
        if url is not None:
            return RedirectResponse(url, 302, headers={"Cache-Control": "no-store"})
    source = await download.open_source(visit.process, found)
    files.push_async_callback(source.close)
    headers = {"Cache-Control": OWN_COPY, "Vary": VARY_BY_CALLER}
    return file_response(visit.request, source, headers=headers)
