"""The credentials that a request carries, whichever of the accepted ways it brings them."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.types import Scope as ASGIScope

from entrepot.kernel.errors import Forbidden, Unauthenticated
from entrepot.kernel.identity.models import CHALLENGE

__all__ = ["Credentials", "credentials_of"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
OWN_SITES = frozenset({b"same-origin", b"none"})
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token's secret, and the way it came by: ``token``, ``bearer``, ``basic`` or ``charon``."""

    secret: str = field(repr=False)
    scheme: str


def credentials_of(scope: ASGIScope) -> Credentials | None:
    """Give the credentials of a request, or None for the anonymous.

    Reads ``Authorization`` (Token, Bearer, and Basic with the token as password) and, without one of
    these, ``X-Charon-API-token``; other schemes count as no credentials. Raises Unauthenticated for a
    malformed header, and Forbidden for Basic in an unsafe request that a browser sent from elsewhere:
    browsers repeat Basic by themselves, so another site could make them do it.
    """
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    authorization = charon = None
    for name, value in headers:
        if name == b"authorization" and authorization is None:
            authorization = value
        elif name == b"x-charon-api-token" and charon is None:
            charon = value.strip()
    found = _of_authorization(authorization, scope) if authorization else None
    if found is None and charon:
        return Credentials(charon.decode("latin-1"), "charon")
    return found


def _of_authorization(value: bytes, scope: ASGIScope) -> Credentials | None:
    parts = [part.decode("latin-1") for part in value.split()]
    scheme = parts[0].lower() if parts else ""
    if scheme not in {"token", "bearer", "basic"}:
        return None
    if len(parts) == 1:
        raise _malformed(scheme, "No credentials provided.")
    if len(parts) > 2:
        what = "Credentials string" if scheme == "basic" else "Token string"
        raise _malformed(scheme, f"{what} should not contain spaces.")
    if scheme == "basic":
        _refuse_foreign(scope)
        return Credentials(_basic_password(parts[1]), scheme)
    return Credentials(parts[1], scheme)


def _basic_password(encoded: str) -> str:
    try:
        pair = b64decode(encoded, validate=True).decode("latin-1")
    except (binascii.Error, ValueError) as error:
        raise _malformed("basic", "Credentials not correctly base64 encoded.") from error
    return pair.partition(":")[2]


def _malformed(scheme: str, what: str) -> Unauthenticated:
    kind = "basic" if scheme == "basic" else "token"
    return Unauthenticated(f"Invalid {kind} header. {what}", headers=CHALLENGE)


def _refuse_foreign(scope: ASGIScope) -> None:
    """Insist on the same origin where a browser sends an unsafe request."""
    if scope.get("method", "GET") in SAFE_METHODS:
        return
    # Here, because commands know accounts too, and have no use for what HTTP needs.
    from entrepot.kernel.web.forwarded import base_url

    headers = dict(scope["headers"])
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:
        own = site in OWN_SITES
    else:
        own = origin is None or _origin(origin.decode("latin-1")) == _origin(base_url(scope))
    if not own:
        raise Forbidden("A browser may send this with Basic credentials from this site's own pages only.")


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Give scheme, host and port, or None for what is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or DEFAULT_PORTS.get(parts.scheme)
