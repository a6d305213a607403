"""Request bodies: JSON, or a form."""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from entrepot.kernel.errors import InvalidInput, UnsupportedMedia
from entrepot.modules.archive.posted import parse_json

__all__ = ["read_body"]

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def read_body(request: Request) -> object:
    """Read a body by its media type; an empty one is an empty object.

    Raises InvalidInput for JSON or forms that can't be read, UnsupportedMedia for other types.
    """
    given = request.headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    if media_type in FORMS:
        return await _form(request)
    body = await request.body()
    if not body:
        return {}
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMedia(f'Unsupported media type "{given}" in request.')
    return parse_json(body)


async def _form(request: Request) -> dict[str, object]:
    try:
        async with request.form(max_files=0, max_fields=1000) as form:
            return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}
    except (MultiPartException, UnicodeDecodeError) as error:
        raise InvalidInput(f"The form can't be read: {error}.") from None
