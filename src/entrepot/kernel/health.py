"""Whether the service is alive and ready, and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from entrepot.kernel.context import Visit
from entrepot.kernel.identity import Scope
from entrepot.kernel.metrics import render_metrics
from entrepot.kernel.web.forwarded import client_address

__all__ = ["router"]

OK = b'{"status":"ok"}'


def router(metrics_allow: Sequence[IPv4Network | IPv6Network]) -> APIRouter:
    """Make the routes; ``metrics_allow`` are the networks that read the figures without a token."""
    routes = APIRouter(tags=["service"])
    routes.add_api_route("/", _root, methods=["GET", "HEAD"], include_in_schema=False)
    routes.add_api_route("/health", _health, methods=["GET", "HEAD"], summary="The process is alive")
    routes.add_api_route("/ready", _ready, methods=["GET", "HEAD"], summary="Database and store answer")

    async def metrics(visit: Visit) -> Response:
        """Give the figures in Prometheus's text format, to staff and to the addresses allowed."""
        if not _allowed(visit.request, metrics_allow):
            (await visit.caller()).require(Scope.READ, staff=True)
        body, media_type = await asyncio.to_thread(render_metrics)
        return Response(body, media_type=media_type)

    routes.add_api_route("/metrics", metrics, methods=["GET"], summary="Figures for Prometheus")
    return routes


async def _root() -> Response:
    """Send a visitor to the API reference."""
    return RedirectResponse("./docs", 307)


async def _health() -> Response:
    """Answer as long as the process lives; checks nothing else."""
    return Response(OK, media_type="application/json")


async def _ready(visit: Visit) -> Response:
    """Answer 200 when the database and the store answer, else 503 with the sentence why."""
    await visit.process.database.ready()
    await visit.process.objects.ready()
    return Response(OK, media_type="application/json")


def _allowed(request: Request, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    if not networks:
        return False
    address = ip_address(client_address(request.scope))
    return any(address in network for network in networks)
