"""The archive over HTTP: each route parses, calls one service and renders."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrepot.modules.archive.routes import accounts, frames, holdings

__all__ = ["router"]

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def router() -> APIRouter:
    """Make the routes; each that ends in a slash also answers without it, by a redirect."""
    routes = APIRouter()
    for part in (frames, holdings, accounts):
        part.add_routes(routes)
    for route in list(routes.routes):
        path = getattr(route, "path", "")
        if path.endswith("/") and len(path) > 1:
            routes.add_route(path[:-1], _to_slash, methods=None, include_in_schema=False)
    return routes


async def _to_slash(request: Request) -> Response:
    """Send the caller to the same path with a slash; other methods than GET keep method and body."""
    path = request.scope["path"].rpartition("/")[2] + "/"
    query = request.scope["query_string"].decode("latin-1")
    status = 301 if request.method in SAFE_METHODS else 308
    # Relative, so that it is right behind any proxy; "./" keeps a colon from making a scheme.
    return RedirectResponse(f"./{path}" + (f"?{query}" if query else ""), status)
