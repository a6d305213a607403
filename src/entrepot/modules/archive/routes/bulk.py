"""Many frames in one request: lines of JSON in, and while they still come, a line of result out for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, cast

from fastapi import APIRouter, Response

from entrepot.kernel.context import RequestContext, Visit
from entrepot.kernel.errors import EntrepotError, InvalidInput, UnsupportedMedia
from entrepot.kernel.identity import Caller, Scope
from entrepot.kernel.web.exchange import Body, ExchangeResponse
from entrepot.modules.archive import schemas
from entrepot.modules.archive.answers import NO_STORE, VARY_BY_CALLER, archive_base
from entrepot.modules.archive.documents import BASE, render_object
from entrepot.modules.archive.service.bulk import BulkFiling, Key, Result
from entrepot.modules.archive.service.lines import Lines

__all__ = ["add_routes"]

KEY = "Idempotency-Key"
LONGEST_KEY = 200
ANSWERS = ("full", "brief")
MEDIA_TYPES = (
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
    "application/json-lines",
)  # fmt: skip
CREATED = 201
CONFLICT = 409
DESCRIPTION = """\
One frame a line, each as `POST /frames/` takes it. The answer has a line for each that isn't blank, in their
order, as soon as it is committed: `{"line":1,"status":201,"frame":{…}}`, or as `POST /frames/` would say
`{"line":2,"status":400,"errors":{…}}`. A line that is refused doesn't hold up the others. If the whole can't
go on, the last line is `{"status":503,"detail":"…"}`, without a number.

With an `Idempotency-Key`, the same stream can be sent again after a broken connection: lines that were filed
are answered as before, with `"repeated":true`, and the others are filed. Keys are remembered for 7 days
(a setting).
"""


class BulkAnswer(ExchangeResponse):
    """Lines of JSON."""

    media_type: ClassVar[str] = MEDIA_TYPES[0]


def add_routes(routes: APIRouter) -> None:
    """Add the route of filing many frames."""
    refusals = {
        400: "the request as a whole is wrong",
        409: "other lines came under this key before",
        415: "the body isn't lines of JSON, or is compressed",
        503: "the database doesn't answer",
    }
    responses: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "A line of result for each line",
            "content": {BulkAnswer.media_type: {"schema": RESULT}},
        },
        **{status: {"model": schemas.Problem, "description": text} for status, text in refusals.items()},
    }
    one = cast("dict[str, Any]", schemas.request_body(schemas.PostedFrameIn))["content"]["application/json"]
    documented = {
        "parameters": [
            {
                "name": "answers",
                "in": "query",
                "description": "brief: of a filed frame just its id and URL",
                "schema": {"type": "string", "enum": list(ANSWERS), "default": ANSWERS[0]},
            },
            {
                "name": KEY,
                "in": "header",
                "description": "names the stream, so that it can be sent again",
                "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
            },
        ],
        "requestBody": {
            "required": True,
            "description": "Frames as POST /frames/ takes them, one a line",
            "content": {MEDIA_TYPES[0]: one},
        },
    }
    for path, shown in (("/frames/bulk", True), ("/frames/bulk/", False)):
        routes.add_api_route(
            path,
            file_lines,
            methods=["POST"],
            status_code=200,
            tags=["archive: frames"],
            summary="File many frames",
            description=DESCRIPTION,
            response_class=BulkAnswer,
            responses=responses,
            openapi_extra=documented,
            include_in_schema=shown,
        )


RESULT: Mapping[str, Any] = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "line": {"type": "integer", "description": "the number of the line, from 1; absent in a last line"},
        "repeated": {"type": "boolean", "description": "the line was filed by an earlier request"},
        "status": {"type": "integer", "examples": [201, 400, 413]},
        "frame": {"type": "object", "description": "as POST /frames/ answers it; brief: id and url"},
        "errors": {"type": "object", "description": "as POST /frames/ refuses it"},
        "detail": {"type": "string", "description": "why nothing more is filed"},
    },
}


async def file_lines(visit: Visit) -> Response:
    """File many frames, for staff."""
    caller = await visit.caller()
    caller.require(Scope.WRITE, staff=True)
    _require_media_type(visit)
    brief = _answers(visit) == "brief"
    filing = BulkFiling(visit.process, key=_key(visit, caller), brief=brief)
    base, limit = archive_base(visit), visit.process.settings.body_limit

    async def answer(body: Body) -> AsyncGenerator[bytes]:
        begun = False
        async with aclosing(filing.results(Lines(body, limit))) as batches:
            try:
                async for results in batches:
                    if results:
                        yield await asyncio.to_thread(_written, results, base)
                        begun = True
            except EntrepotError as error:
                if not begun:
                    raise
                yield _last_line(error, filing)

    headers = {"Vary": VARY_BY_CALLER, "Cache-Control": NO_STORE, "X-Accel-Buffering": "no"}
    return BulkAnswer(answer, folder=visit.process.settings.data_dir / "spool", headers=headers)


def _require_media_type(visit: RequestContext) -> None:
    headers = visit.request.headers
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("The lines are sent as they are, without a Content-Encoding.")
    given = headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() not in MEDIA_TYPES:
        raise UnsupportedMedia(
            f'Unsupported media type "{given}" in request; lines of JSON are {MEDIA_TYPES[0]}.'
        )


def _answers(visit: RequestContext) -> str:
    wanted = visit.request.query_params.get("answers") or ANSWERS[0]
    if wanted not in ANSWERS:
        raise InvalidInput.of({"answers": [f"Choose {' or '.join(ANSWERS)}."]})
    return wanted


def _key(visit: RequestContext, caller: Caller) -> Key | None:
    given = visit.request.headers.getlist(KEY)
    if not given or caller.user_id is None:
        return None
    [key, *others] = given
    if others or not key.isascii() or not key.isprintable() or not 1 <= len(key) <= LONGEST_KEY:
        raise InvalidInput(
            f"{KEY} is one header of 1 to {LONGEST_KEY} printable ASCII characters.", where=KEY
        )
    return Key(caller.user_id, key)


def _written(results: Sequence[Result], base: str) -> bytes:
    return "".join(map(_line, results)).replace(BASE, base).encode()


def _line(result: Result) -> str:
    repeated = '"repeated":true,' if result.repeated else ""
    member = "frame" if result.status == CREATED else "errors"
    return f'{{"line":{result.number},{repeated}"status":{result.status},"{member}":{result.content}}}\n'


def _last_line(error: EntrepotError, filing: BulkFiling) -> bytes:
    """Write why nothing more is filed, and what to do about it."""
    detail = error.detail
    if error.status != CONFLICT:
        why = detail.rstrip(".").removesuffix("; please try again")
        what = (
            "all lines again with the same Idempotency-Key"
            if filing.has_key
            else "those without an answer again"
        )
        detail = f"{why}: the lines answered above are filed, send {what}."
    return (render_object({"status": error.status, "detail": detail}) + "\n").encode(errors="replace")
