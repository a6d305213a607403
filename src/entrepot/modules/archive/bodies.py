"""Request bodies: JSON, or a form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from entrepot.kernel.errors import InvalidInput, UnsupportedMedia
from entrepot.kernel.web.limits import limited_body
from entrepot.modules.archive.posted import parse_json

__all__ = ["read_body"]

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
SMALL = 64 * 2**10
FEW_LISTS = 40
"""Bodies of so many bytes and arrays are read within a millisecond or two; others in a thread.

An area with many corners takes long to be cut into pieces.
"""

T = TypeVar("T")


async def read_body(request: Request, read: Callable[[object], T], *, most: int | None = None) -> T:
    """Parse a body by its media type and give what ``read`` makes of it; an empty one is an empty object.

    ``most`` is a limit in bytes below that of the whole service. Raises InvalidInput for JSON or forms
    that can't be read, UnsupportedMedia for other types, TooLarge for a body over its limit.
    """
    if most is not None:
        request = Request(request.scope, limited_body(request.scope, request.receive, most))
    given = request.headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    if media_type in FORMS:
        return read(await _form(request))
    body = await request.body()
    if not body:
        return read({})
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMedia(f'Unsupported media type "{given}" in request.')
    if len(body) <= SMALL and body.count(b"[") <= FEW_LISTS:
        return read(parse_json(body))
    return await asyncio.to_thread(lambda: read(parse_json(body)))


async def _form(request: Request) -> dict[str, object]:
    try:
        async with request.form(max_files=0, max_fields=1000) as form:
            return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}
    except (MultiPartException, UnicodeDecodeError) as error:
        raise InvalidInput(f"The form can't be read: {error}.") from None
