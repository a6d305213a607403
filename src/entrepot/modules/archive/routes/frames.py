"""Frames: search, detail, headers, relations and ingest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from entrepot.kernel.context import RequestContext, Visit
from entrepot.kernel.identity import Scope
from entrepot.modules.archive import schemas
from entrepot.modules.archive.answers import archive_base, form_of, render, settings_of
from entrepot.modules.archive.bodies import read_body
from entrepot.modules.archive.cursors import read_cursor
from entrepot.modules.archive.documents import Json, frame_answer, join_documents, render_object
from entrepot.modules.archive.models import FramePage, FrameQuery
from entrepot.modules.archive.paging import cursor_envelope, offset_envelope
from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.query import FILTERS, has_region, read_query
from entrepot.modules.archive.service import ingest, search

__all__ = ["add_routes"]

READ = ["GET", "HEAD"]
Responses = dict[int | str, dict[str, Any]]
TAGS: list[Any] = ["archive: frames"]

OPTIONS: Mapping[str, str] = {
    "include_configuration_type": "any of these types (repeat the parameter)",
    "exclude_configuration_type": "none of these types (repeat the parameter)",
    "exclude_OBSTYPE": "none of these types (repeat the parameter)",
    "exclude_calibrations": "true: science types only",
    "covers": "WKT or GeoJSON in degrees, as POINT(83.63 22.01): footprints that cover it",
    "intersects": "WKT or GeoJSON in degrees: footprints that meet it",
    "position": "RA,DEC in degrees, or sexagesimal as 05:34:31.9,+22:00:52: the centre of a cone",
    "radius": "degrees about the position: footprints that come as near",
    "public": "false: only what is not public (with an account: of your own proposals)",
    "limit": "rows on a page",
    "offset": "rows to pass over",
    "ordering": "fields between commas, - in front for descending",
    "pagination_style": "cursor: keyset paging",
    "cursor": "the token from next or previous",
    "force_count": "an exact count, for callers with an account",
    "include_related_frames": "false: leave related_frames out",
    "include_thumbnails": "true: add thumbnails",
    "format": "json or api",
}


def add_routes(routes: APIRouter) -> None:
    """Add the routes of frames."""
    meanings = {name: f"{one.column} {one.operator}" for name, one in FILTERS.items()} | dict(OPTIONS)
    parameters = schemas.query_parameters(meanings)
    listing: dict[str, Any] = {"methods": READ, "tags": TAGS, "openapi_extra": parameters}
    page: Responses = {200: {"model": schemas.Page[schemas.FrameOut]}, 400: {"model": schemas.Problem}}
    one: Responses = {200: {"model": schemas.FrameOut}, 404: {"model": schemas.Problem}}
    routes.add_api_route("/frames/", list_frames, responses=page, summary="Search frames", **listing)
    routes.add_api_route("/frames.json", list_frames, include_in_schema=False, **listing)
    routes.add_api_route(
        "/frames/",
        create_frame,
        methods=["POST"],
        tags=TAGS,
        status_code=201,
        summary="File a frame or a further version of it",
        responses={201: {"model": schemas.FrameAnswer}, 400: {"model": schemas.Problem}},
        openapi_extra={"requestBody": schemas.request_body(schemas.PostedFrameIn)},
    )
    for ending, shown in (("/", True), (".json", False)):
        path = "/frames/{frame_id:row}"
        more: dict[str, Any] = {"methods": READ, "tags": TAGS, "include_in_schema": shown}
        routes.add_api_route(path + ending, show_frame, responses=one, summary="One frame", **more)
        routes.add_api_route(
            f"{path}/headers{ending}",
            show_headers,
            responses={200: {"model": schemas.Headers}},
            summary="A frame's headers",
            **more,
        )
        routes.add_api_route(
            f"{path}/related{ending}",
            show_related,
            responses={200: {"model": list[schemas.FrameAnswer]}},
            summary="The frames related to one",
            **more,
        )


async def list_frames(visit: Visit) -> Response:
    """Search the frames that you may see; all filters combine with AND, unknown parameters are ignored."""
    form = form_of(visit)
    params, settings = visit.request.query_params, settings_of(visit)
    query = await _query(visit)
    by_cursor = params.get("pagination_style") == "cursor"
    if by_cursor:
        query = _at_cursor(params.get("cursor", ""), query, visit.process.secret)
    async with visit.reading() as (caller, session):
        page = await search.find_frames(
            session,
            caller,
            query,
            settings,
            with_thumbnails=_wants_thumbnails(visit),
            counted=not by_cursor,
            forced="force_count" in params,
        )
    results = _results(visit, page)
    if by_cursor:
        return await render(visit, cursor_envelope(visit, results, query, page, visit.process.secret), form)
    envelope = offset_envelope(visit, results, limit=query.limit, offset=query.offset, page=page)
    return await render(visit, envelope, form)


async def _query(visit: RequestContext) -> FrameQuery:
    params, settings = visit.request.query_params, settings_of(visit)
    if has_region(params):  # which may take some milliseconds to be cut into pieces
        return await asyncio.to_thread(read_query, params, settings)
    return read_query(params, settings)


def _at_cursor(token: str, query: FrameQuery, secret: bytes) -> FrameQuery:
    return read_cursor(token, query, secret) if token else query


def _results(visit: RequestContext, page: FramePage) -> Json:
    return Json(
        "["
        + join_documents(
            page.frames,
            archive_base(visit),
            related=_wants_related(visit),
            thumbnails=page.thumbnails if _wants_thumbnails(visit) else None,
        )
        + "]"
    )


def _wants_related(visit: RequestContext) -> bool:
    return visit.request.query_params.get("include_related_frames", "").lower() != "false"


def _wants_thumbnails(visit: RequestContext) -> bool:
    return visit.request.query_params.get("include_thumbnails", "").lower() == "true"


async def create_frame(visit: Visit) -> Response:
    """File a frame whose file lies in the store; a known basename gets a further version."""
    form = form_of(visit)
    (await visit.caller()).require(Scope.WRITE, staff=True)
    settings = settings_of(visit)
    posted = await read_body(visit.request, lambda body: read_frame(body, settings))
    filed = await ingest.post_frame(visit.process, posted)
    answer = frame_answer(filed.frame, filed.related, archive_base(visit))
    return await render(visit, answer, form, status=201)


async def show_frame(visit: Visit, frame_id: int) -> Response:
    """Give one frame; the filters of the list hold for it too."""
    form = form_of(visit)
    query = await _query(visit)
    wanted = _wants_thumbnails(visit)
    async with visit.reading() as (caller, session):
        found, pictures = await search.find_frame(session, caller, frame_id, query, with_thumbnails=wanted)
    page = FramePage(frames=(found,), more=False, thumbnails=pictures)
    return await render(visit, _results(visit, page)[1:-1], form)


async def show_headers(visit: Visit, frame_id: int) -> Response:
    """Give a frame's headers as they were posted."""
    form = form_of(visit)
    async with visit.reading() as (caller, session):
        headers = await search.find_headers(session, caller, frame_id)
    return await render(visit, render_object({"data": Json(headers)}), form)


async def show_related(visit: Visit, frame_id: int) -> Response:
    """Give the related frames that you may see."""
    form = form_of(visit)
    async with visit.reading() as (caller, session):
        related = await search.find_related(session, caller, frame_id)
    base = archive_base(visit)
    text = ",".join(frame_answer(frame, others, base) for frame, others in related)
    return await render(visit, f"[{text}]", form)
