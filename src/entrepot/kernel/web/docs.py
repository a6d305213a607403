"""The API reference: /docs and /openapi.json, with every asset served by us."""

from __future__ import annotations

import asyncio
import json
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from entrepot.kernel.web.assets import Asset, StaticFiles
from entrepot.kernel.web.files import file_response

__all__ = ["install_docs"]

SWAGGER = "static/vendor/swagger-ui-5.35.0"
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
TOKEN = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "`Token` and a space before your token, as `entrepot token add` printed it",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API reference</title>
<link rel="icon" type="image/png" href="{swagger}/favicon-32x32.png">
<link rel="stylesheet" href="{swagger}/swagger-ui.css">
</head>
<body>
<div id="reference" data-openapi="openapi.json"></div>
<noscript>The reference needs JavaScript; <a href="openapi.json">its description</a> doesn't.</noscript>
<script src="{swagger}/swagger-ui-bundle.js"></script>
<script src="static/docs.js"></script>
</body>
</html>
"""


def install_docs(app: FastAPI, *, static: Path) -> None:
    """Add ``/docs``, ``/openapi.json`` and the files of the folder ``static`` below ``/static/``.

    The application is to be made with ``docs_url``, ``redoc_url`` and ``openapi_url`` None.
    """
    docs = _Docs(app, StaticFiles(static))
    methods = ["GET", "HEAD"]
    app.add_api_route("/docs", docs.page, methods=methods, include_in_schema=False)
    app.add_api_route("/openapi.json", docs.description, methods=methods, include_in_schema=False)
    app.add_api_route("/static/{path:path}", docs.file, methods=methods, include_in_schema=False)


def _as_shown(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out HEAD where GET says it all, and say how one signs in."""
    paths = {
        path: {method: one for method, one in methods.items() if method != "head" or "get" not in methods}
        for path, methods in document["paths"].items()
    }
    components = document.get("components", {}) | {"securitySchemes": {"token": TOKEN}}
    return document | {"paths": paths, "components": components, "security": [{}, {"token": []}]}


class _Docs:
    def __init__(self, app: FastAPI, static: StaticFiles) -> None:
        self._app = app
        self._static = static
        self._description: Asset | None = None

    async def page(self) -> Response:
        page = PAGE.format(title=escape(self._app.title), swagger=SWAGGER)
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    async def description(self, request: Request) -> Response:
        if self._description is None:  # all routes' models: far too long for the event loop
            self._description = await asyncio.to_thread(self._describe)
        return file_response(request, self._description, headers={"Cache-Control": "no-cache"})

    async def file(self, request: Request, path: str) -> Response:
        return await self._static.answer(request, path)

    def _describe(self) -> Asset:
        document = _as_shown(self._app.openapi())
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return Asset.of(text.encode("utf-8"), "application/json")
