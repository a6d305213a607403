"""The archive over HTTP: each route parses, calls one service and renders."""

from __future__ import annotations

from typing import ClassVar

from fastapi import APIRouter
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrepot.kernel.context import VisitRoute
from entrepot.kernel.errors import NotFound
from entrepot.modules.archive.routes import accounts, bulk, frames, holdings, upload

__all__ = ["router"]

READ = ["GET", "HEAD"]
EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
ITEM = "{id:segment}"
ITEMS = (
    f"/frames/{ITEM}", f"/frames/{ITEM}/headers", f"/frames/{ITEM}/related", f"/versions/{ITEM}",
    f"/thumbnails/{ITEM}",
)  # fmt: skip


class RowConvertor(Convertor[int]):
    """The id of a row: ``{frame_id:row}`` in a route; one that is longer than any becomes 2⁶⁴."""

    regex: ClassVar[str] = "[0-9]+"

    def convert(self, value: str) -> int:
        """Read the digits."""
        return int(value[-20:]) if len(value.lstrip("0")) < 20 else 2**64

    def to_string(self, value: int) -> str:
        """Write the digits."""
        return str(value)


def router(prefix: str) -> APIRouter:
    """Make the routes below ``prefix``; each that ends in a slash also answers without it, by a redirect."""
    register_url_convertor("row", RowConvertor())
    routes = APIRouter(prefix=prefix, route_class=VisitRoute)
    for part in (frames, bulk, holdings, upload, accounts):
        part.add_routes(routes)
    for path in ITEMS:
        for ending in ("/", ".json"):
            routes.add_api_route(path + ending, _not_found, methods=READ, include_in_schema=False)
    for route in list(routes.routes):
        path = getattr(route, "path", "")
        if path.endswith("/") and len(path) > len(prefix) + 1:
            routes.add_route(path[:-1], _to_slash, methods=EVERY_METHOD, include_in_schema=False)
    routes.add_api_route("", _to_slash, methods=READ, include_in_schema=False)
    return routes


async def _not_found() -> Response:
    """Answer for an id that isn't a number."""
    raise NotFound("Not found.")


async def _to_slash(request: Request) -> Response:
    """Send the caller to the same path with a slash; other methods than GET keep method and body."""
    path = request.scope["path"].rpartition("/")[2] + "/"
    query = request.scope["query_string"].decode("latin-1")
    status = 301 if request.method in SAFE_METHODS else 308
    # Relative, so that it is right behind any proxy; "./" keeps a colon from making a scheme.
    return RedirectResponse(f"./{path}" + (f"?{query}" if query else ""), status)
