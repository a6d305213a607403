"""The upload door over HTTP: a file comes in, its frame goes out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from fastapi import APIRouter, Response

from entrepot.kernel.context import RequestContext, Visit
from entrepot.kernel.errors import InvalidInput, UnsupportedMedia
from entrepot.kernel.identity import Scope
from entrepot.kernel.objects import Checksums
from entrepot.kernel.web.digests import read_claims, require_claims
from entrepot.kernel.web.limits import declared_length, limited_body, streamed_body
from entrepot.lib.fits import Card, FitsError
from entrepot.modules.archive import schemas
from entrepot.modules.archive.answers import archive_base, form_of, render, settings_of
from entrepot.modules.archive.documents import frame_answer
from entrepot.modules.archive.service.cards_beside import parse_json_cards
from entrepot.modules.archive.service.upload import METADATA, AlreadyHeld, Upload, UploadDoor

__all__ = ["add_routes"]

METADATA_BYTES = 64 * 2**10
WHERE_IT_IS = {"Location": {"description": "the frame", "schema": {"type": "string", "format": "uri"}}}
HEADERS: Mapping[str, str] = {
    "Repr-Digest": "sha-256 or md5 of the file (RFC 9530); other bytes are refused",
    "Content-Digest": "the same as Repr-Digest, as no content coding is taken",
    "Content-MD5": "MD5 of the file in Base64 (RFC 1864); other bytes are refused",
    METADATA: "a JSON object of header cards, put over those of the file; at most 64 KiB",
}


def add_routes(routes: APIRouter) -> None:
    """Add the route of uploads."""
    refusals = {
        408: "the body stalled",
        413: "the file is larger than the archive takes",
        415: "the body has a content coding, or is a form",
        503: "too many uploads at once; Retry-After says when to come again",
        507: "there is no room on the disk",
    }
    routes.add_api_route(
        "/upload/{name:segment}",
        upload_file,
        methods=["PUT"],
        tags=["archive: frames"],
        status_code=201,
        summary="Upload a file, and file its frame or a further version of it",
        responses={
            201: {"model": schemas.FrameAnswer, "headers": WHERE_IT_IS},
            400: {"model": schemas.Problem, "headers": WHERE_IT_IS},
            **{status: {"model": schemas.Problem, "description": text} for status, text in refusals.items()},
        },
        openapi_extra={
            "parameters": [
                {"name": name, "in": "header", "description": meaning, "schema": {"type": "string"}}
                for name, meaning in HEADERS.items()
            ],
            "requestBody": {
                "required": True,
                "description": "the file, as it is",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            },
        },
    )


async def upload_file(visit: Visit, name: str) -> Response:
    """Upload a file under its name, for staff; what it shows is read from its headers.

    The cards of X-Entrepot-Metadata are put over those of the file, and are enough for files that have
    none. The same bytes again are refused by 400, and Location then tells which frame has them.
    """
    form = form_of(visit)
    (await visit.caller()).require(Scope.WRITE, staff=True)
    upload = _announced(visit, name)
    settings, request = settings_of(visit), visit.request
    receive = limited_body(request.scope, request.receive, settings.upload_max)
    door = await UploadDoor.of(visit.process)
    door.check(upload)
    base = archive_base(visit)
    async with aclosing(streamed_body(request.scope, receive, stall=settings.upload_stall)) as body:
        try:
            filed = await door.take_in(upload, body)
        except AlreadyHeld as error:
            error.headers["Location"] = _address(base, error.frame_id)
            raise
    answer = await render(visit, frame_answer(filed.frame, filed.related, base), form, status=201)
    answer.headers["Location"] = _address(base, filed.frame.id)
    return answer


def _address(base: str, frame_id: int) -> str:
    return f"{base}/frames/{frame_id}/"


def _announced(visit: RequestContext, name: str) -> Upload:
    """Read what the headers say of the file; raises InvalidInput and UnsupportedMedia."""
    scope, headers = visit.request.scope, visit.request.headers
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMedia("A file is uploaded as it is, without a Content-Encoding.")
    if headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise UnsupportedMedia("The body of an upload is the file itself, not a form with the file in it.")
    if "content-range" in headers:
        raise InvalidInput("A file is uploaded whole, without a Content-Range.", where="Content-Range")
    claims = read_claims(scope)
    return Upload(
        name=name,
        given=_cards(headers.getlist(METADATA)),
        size=declared_length(scope),
        verify=lambda checksums: require_claims(claims, _digests(checksums)),
    )


def _digests(checksums: Checksums) -> Mapping[str, bytes]:
    return {"sha-256": bytes.fromhex(checksums.sha256), "md5": bytes.fromhex(checksums.md5)}


def _cards(values: list[str]) -> dict[str, Card]:
    """Read the cards that came in a header; raises InvalidInput."""
    if len(values) > 1:
        raise InvalidInput(f"The header {METADATA} comes more than once.", where=METADATA)
    try:
        text = "".join(values).encode("latin-1")  # the bytes as they came
        return parse_json_cards(text, f"The header {METADATA}", most=METADATA_BYTES) if values else {}
    except FitsError as error:
        raise InvalidInput(str(error), where=METADATA) from error
