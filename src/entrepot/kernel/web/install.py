"""Puts the HTTP edge around an application, in the right order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import FastAPI

from entrepot.kernel.web.cors import CorsMiddleware
from entrepot.kernel.web.forwarded import ForwardedMiddleware, Network
from entrepot.kernel.web.limits import BodyLimitMiddleware
from entrepot.kernel.web.observe import ObserveMiddleware
from entrepot.kernel.web.problems import FailureMiddleware, Renderer, register_error_handlers
from entrepot.kernel.web.raw_path import RawPathMiddleware
from entrepot.kernel.web.security import SecurityHeadersMiddleware

__all__ = ["install_edge"]


def install_edge(
    app: FastAPI,
    *,
    trusted: Sequence[Network] = (),
    body_limit: int,
    own_limits: Sequence[tuple[str, str]] = (),
    renderers: Mapping[str, Renderer] | None = None,
    expose: Sequence[str] = (),
) -> None:
    """Add the edge to an application; to be called once.

    ``trusted``: networks whose forwarding headers count. ``body_limit``: largest request body in bytes,
    but for the routes of ``own_limits`` (see BodyLimitMiddleware). ``renderers``: the shape of failures by
    URL prefix. ``expose``: further headers that scripts of other origins may read.

    From the outside in: log and metrics; headers of every answer (CORS, security); answers to failures;
    path, client and base URL; body limit. Whatever fails inside is answered with all headers.
    """
    failures = register_error_handlers(app, renderers)
    app.add_middleware(BodyLimitMiddleware, limit=body_limit, own=own_limits)
    app.add_middleware(ForwardedMiddleware, trusted=trusted)
    app.add_middleware(RawPathMiddleware)
    app.add_middleware(FailureMiddleware, failures=failures)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(CorsMiddleware, expose=expose)
    app.add_middleware(ObserveMiddleware)
