"""Who the client is, and the base URL it came in by, also behind proxies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from entrepot.kernel.errors import InvalidInput

__all__ = ["ForwardedMiddleware", "Network", "base_url", "client_address"]

Network = IPv4Network | IPv6Network
Header = tuple[bytes, bytes]

HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*)|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")
PAIR = re.compile(r'\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;\s]*))\s*([;,]|$)')
FORWARDING = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix")
)
LONGEST_HOST, LONGEST_ADDRESS, LONGEST_PREFIX = 261, 64, 200  # characters; also keeps the caches small
LOCAL = "127.0.0.1"
UNKNOWN = "0.0.0.0"  # noqa: S104 - says "no address"; nothing is bound to it


def client_address(scope: Scope) -> str:
    """Tell the client's IP address.

    A peer on a Unix socket counts as 127.0.0.1, a peer with no readable address as 0.0.0.0.
    """
    known: str | None = scope.get("entrepot.client")
    return known if known is not None else _peer(scope)


def base_url(scope: Scope) -> str:
    """Tell scheme, host and proxy prefix that the client came in by, without a trailing slash."""
    base: str = scope["entrepot.base"]
    return base


class ForwardedMiddleware:
    """Settles ``scope["entrepot.client"]`` and ``scope["entrepot.base"]``.

    ``Forwarded`` and ``X-Forwarded-For``, ``-Proto``, ``-Host``, ``-Prefix`` count only from peers in
    the trusted networks; the client is the right-most address that isn't trusted. Where a request
    has any ``X-Forwarded-*``, its ``Forwarded`` is ignored: a proxy that writes the one kind passes
    on the other as the client sent it. What was settled also goes into the scope's scheme, client
    and host header. Raises InvalidInput for a host that isn't one.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network] = ()) -> None:
        self.app = app
        self._trusts = _trust_check(tuple(trusted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Settle, then pass on."""
        if scope["type"] != "lifespan":
            self._settle(scope)
        await self.app(scope, receive, send)

    def _settle(self, scope: Scope) -> None:
        peer = _peer(scope)
        scheme: str = scope["scheme"]
        host = _host_header(scope["headers"])
        prefix = ""
        if self._trusts(peer) and any(name in FORWARDING for name, _ in scope["headers"]):
            hop = _hop(peer, scope["headers"], self._trusts)
            peer, prefix = hop.client, hop.prefix
            if hop.scheme:
                scope["scheme"] = scheme = hop.scheme
            if hop.host:
                host = hop.host
                others = (header for header in scope["headers"] if header[0] != b"host")
                scope["headers"] = [(b"host", host.encode("latin-1")), *others]
            scope["client"] = (peer, 0)
        scope["entrepot.client"] = peer
        if len(host) > LONGEST_HOST:
            raise _bad_host()
        scope["entrepot.base"] = _base(scheme, host, prefix) if host else _server_base(scope)


@dataclass(frozen=True, slots=True)
class _Hop:
    """What the trusted proxies say about the client."""

    client: str
    scheme: str | None = None
    host: str | None = None
    prefix: str = ""


def _hop(peer: str, headers: Iterable[Header], trusts: Callable[[str], bool]) -> _Hop:
    said: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in FORWARDING:
            said.setdefault(name, []).append(value.decode("latin-1"))
    if len(said) == 1 and b"forwarded" in said:
        return _by_forwarded(peer, ",".join(filter(str.strip, said[b"forwarded"])), trusts)
    lists = {name: [part.strip() for part in ",".join(values).split(",")] for name, values in said.items()}
    client, depth = _first_untrusted(peer, lists.get(b"x-forwarded-for", []), trusts)

    def told(name: bytes) -> str | None:
        values = lists.get(name)
        return values[-min(depth, len(values))] if values else None

    return _Hop(
        client,
        _scheme(told(b"x-forwarded-proto")),
        told(b"x-forwarded-host") or None,
        _prefix(told(b"x-forwarded-prefix")),
    )


def _by_forwarded(peer: str, header: str, trusts: Callable[[str], bool]) -> _Hop:
    elements = _forwarded_elements(header)
    client, depth = _first_untrusted(peer, [element.get("for", "") for element in elements], trusts)
    behind = elements[-depth:]  # the client's own element first, then those of the proxies after it

    def told(name: str) -> str | None:
        return next((element[name] for element in behind if name in element), None)

    return _Hop(client, _scheme(told("proto")), told("host") or None)


def _forwarded_elements(header: str) -> list[dict[str, str]]:
    """Parse RFC 7239; raises InvalidInput, since a quote left open could hide a proxy's own element."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(header):
        pair = PAIR.match(header, at)
        if pair is None:
            raise InvalidInput("The Forwarded header must follow RFC 7239.", where="Forwarded")
        name, quoted, token, end = pair.groups()
        elements[-1][name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token
        if end == ",":
            elements.append({})
        at = pair.end()
    return elements


def _first_untrusted(peer: str, hops: Sequence[str], trusts: Callable[[str], bool]) -> tuple[str, int]:
    """Walk from the trusted peer outwards; give the address found and its place from the right."""
    client, depth = peer, 0
    for hop in reversed(hops):
        address = _address(hop)
        if address is None:
            break
        client, depth = address, depth + 1
        if not trusts(address):
            break
    return client, max(depth, 1)


def _scheme(said: str | None) -> str | None:
    scheme = said.lower() if said else None
    return scheme if scheme in ("http", "https") else None


def _prefix(said: str | None) -> str:
    if said and (len(said) > LONGEST_PREFIX or not PREFIX.fullmatch(said)):
        raise InvalidInput("X-Forwarded-Prefix must be a path such as /data.", where="X-Forwarded-Prefix")
    return said.rstrip("/") if said else ""


def _peer(scope: Scope) -> str:
    client: tuple[str, int] | None = scope.get("client")
    return (_address(client[0]) or UNKNOWN) if client and client[0] else LOCAL


def _address(text: str) -> str | None:
    """Normalise an IP address, with or without a port; None if it isn't one."""
    return _parsed_address(text) if len(text) <= LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _parsed_address(text: str) -> str | None:
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _trust_check(trusted: tuple[Network, ...]) -> Callable[[str], bool]:
    @lru_cache(maxsize=4096)
    def trusts(address: str) -> bool:
        parsed = ip_address(address)
        return any(parsed in network for network in trusted)

    return trusts


def _host_header(headers: Iterable[Header]) -> str:
    host: bytes | None = None
    for name, value in headers:
        if name == b"host":
            if host is not None:
                raise InvalidInput("A request must have one Host header only.", where="Host")
            host = value
    return host.decode("latin-1") if host else ""


@lru_cache(maxsize=1024)
def _base(scheme: str, host: str, prefix: str) -> str:
    match = HOST.fullmatch(host)
    if match is None or int(match[2] or 0) > 65535 or (match[1] and _address(match[1]) is None):
        raise _bad_host()
    return f"{'https' if scheme in ('https', 'wss') else 'http'}://{host}{prefix}"


def _bad_host() -> InvalidInput:
    return InvalidInput("The Host must be a name or an address, with or without a port.", where="Host")


def _server_base(scope: Scope) -> str:
    host, port = scope.get("server") or ("localhost", None)
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}" if port else f"http://{name}"
