from __future__ import annotations

import json
from ipaddress import ip_address, ip_network

import pytest
from fastapi import FastAPI, Request

from entrepot.kernel.web import base_url, client_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.1/32")]


@pytest.fixture
def told(edge, call):
    app: FastAPI = edge(trusted=TRUSTED)

    @app.get("/")
    async def where(request: Request) -> dict[str, str]:
        url = request.url
        return {
            "client": client_address(request.scope),
            "base": base_url(request.scope),
            "starlette": f"{request.client.host} {url.scheme}://{url.netloc}",
        }

    async def ask(
        peer: tuple[str, int] | None, *headers: tuple[str, str], host: str | None = "h.example"
    ) -> dict:
        own = [] if host is None else [(b"host", host.encode("latin-1"))]
        sent = own + [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        answer = await call(app, headers=sent, client=peer)
        return json.loads(answer.body)

    return ask


XFF, XFP, XFH, XFX, FWD = (
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "Forwarded",
)


@pytest.mark.parametrize(
    ("peer", "headers", "client", "base"),
    [
        ("203.0.113.9", [], "203.0.113.9", "http://h.example"),
        ("203.0.113.9", [(XFF, "1.1.1.1"), (XFP, "https"), (XFH, "evil")], "203.0.113.9", "http://h.example"),
        ("203.0.113.9", [(FWD, "for=1.1.1.1;proto=https;host=evil")], "203.0.113.9", "http://h.example"),
        ("10.0.0.1", [(XFF, "198.51.100.7")], "198.51.100.7", "http://h.example"),
        ("10.0.0.1", [(XFF, "6.6.6.6, 198.51.100.7")], "198.51.100.7", "http://h.example"),
        ("10.0.0.1", [(XFF, "6.6.6.6, 198.51.100.7, 10.0.0.2")], "198.51.100.7", "http://h.example"),
        ("10.0.0.1", [(XFF, "6.6.6.6"), (XFF, "198.51.100.7")], "198.51.100.7", "http://h.example"),
        ("10.0.0.1", [(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3", "http://h.example"),
        ("10.0.0.1", [(XFF, "6.6.6.6, unknown")], "10.0.0.1", "http://h.example"),
        ("10.0.0.1", [(XFF, "198.51.100.7:1234")], "198.51.100.7", "http://h.example"),
        ("10.0.0.1", [(XFF, "[2001:db8::1]:1234")], "2001:db8::1", "http://h.example"),
        ("10.0.0.1", [(XFF, "2001:DB8::0001")], "2001:db8::1", "http://h.example"),
        ("::ffff:10.0.0.1", [(XFF, "198.51.100.7")], "198.51.100.7", "http://h.example"),
        ("fd00::1", [(XFF, "198.51.100.7")], "198.51.100.7", "http://h.example"),
        ("10.0.0.1", [(XFP, "https")], "10.0.0.1", "https://h.example"),
        ("10.0.0.1", [(XFP, "http, https")], "10.0.0.1", "https://h.example"),
        ("10.0.0.1", [(XFP, "gopher")], "10.0.0.1", "http://h.example"),
        ("10.0.0.1", [(XFF, "1.1.1.1, 10.0.0.2"), (XFP, "https, http")], "1.1.1.1", "https://h.example"),
        (
            "10.0.0.1",
            [(XFH, "archive.example.org"), (XFP, "HTTPS")],
            "10.0.0.1",
            "https://archive.example.org",
        ),
        (
            "10.0.0.1",
            [(XFH, "evil, archive.example.org:8443")],
            "10.0.0.1",
            "http://archive.example.org:8443",
        ),
        ("10.0.0.1", [(XFX, "/data/")], "10.0.0.1", "http://h.example/data"),
        (
            "10.0.0.1",
            [(FWD, "for=198.51.100.7;proto=https;host=a.example")],
            "198.51.100.7",
            "https://a.example",
        ),
        ("10.0.0.1", [(FWD, 'for="[2001:db8::1]:4711"; proto=http')], "2001:db8::1", "http://h.example"),
        (
            "10.0.0.1",
            [(FWD, "for=6.6.6.6;host=evil, For=198.51.100.7;Proto=https")],
            "198.51.100.7",
            "https://h.example",
        ),
        ("10.0.0.1", [(FWD, "for=1.1.1.1, for=10.0.0.2;proto=https")], "1.1.1.1", "https://h.example"),
        ("10.0.0.1", [(FWD, "for=_hidden")], "10.0.0.1", "http://h.example"),
        (
            "10.0.0.1",
            [(FWD, "for=6.6.6.6;host=evil"), (XFF, "198.51.100.7")],
            "198.51.100.7",
            "http://h.example",
        ),
    ],
)
async def test_client_and_base(told, peer, headers, client, base) -> None:
    answer = await told((peer, 1234), *headers)
    assert (answer["client"], answer["base"]) == (client, base)


async def test_the_framework_sees_the_same(told) -> None:
    answer = await told(("10.0.0.1", 1), (XFF, "198.51.100.7"), (XFP, "https"), (XFH, "a.example"))
    assert answer["starlette"] == "198.51.100.7 https://a.example"


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (None, "127.0.0.1"),
        (("", 0), "127.0.0.1"),
        (("testclient", 1), "0.0.0.0"),
        (("fe80::1%eth0", 1), "fe80::1%eth0"),
    ],
)
async def test_odd_peers_still_have_an_address(edge, call, peer, client) -> None:
    app: FastAPI = edge()

    @app.get("/who")
    async def who(request: Request) -> str:
        return client_address(request.scope)

    answer = await call(app, b"/who", client=peer)
    assert answer.body.decode().strip('"') == client
    ip_address(client)


async def test_unix_socket_proxy_is_trusted_as_localhost(told) -> None:
    answer = await told(("127.0.0.1", 0), (XFF, "198.51.100.7"))
    assert answer["client"] == "198.51.100.7"


@pytest.mark.parametrize(
    "host",
    [
        "h.example",
        "h.example:8000",
        "127.0.0.1:80",
        "[::1]:8000",
        "under_score",
        "xn--bcher-kva.example",
        "h.",
    ],
)
async def test_good_hosts(told, host) -> None:
    assert (await told(("9.9.9.9", 1), host=host))["base"] == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a/b",
        "<script>",
        "a,b",
        "a@b",
        'a"b',
        "h:",
        "h:port",
        "h:99999",
        "h:-1",
        "[::1",
        "[zz]",
        "é.example",
        "a\\b",
        "a?b",
        "-a.example",
        "a#b",
        ":80",
        "h" * 300,
    ],
)
async def test_bad_host_is_refused_and_not_reflected(edge, call, host) -> None:
    app: FastAPI = edge()
    app.add_api_route("/", lambda: "reached")
    answer = await call(app, headers=[(b"host", host.encode("latin-1"))])
    assert answer.status == 400
    problem = json.loads(answer.body)
    assert problem["where"] == "Host"
    assert problem["detail"] == "The Host must be a name or an address, with or without a port."


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a"), (b"host", b"b")],
        [(b"host", b"a"), (b"x-forwarded-host", b"b/c")],
        [(b"host", b"a"), (b"x-forwarded-prefix", b"https://evil")],
        [(b"host", b"a"), (b"x-forwarded-prefix", b"/x" * 200)],
        [(b"host", b"a"), (b"forwarded", b'for="1.1.1.1')],
        [(b"host", b"a"), (b"forwarded", b"nonsense")],
    ],
)
async def test_bad_forwarding_is_refused(edge, call, headers) -> None:
    app: FastAPI = edge(trusted=TRUSTED)
    app.add_api_route("/", lambda: "reached")
    answer = await call(app, headers=headers, client=("10.0.0.1", 1))
    assert answer.status == 400
    assert b"evil" not in answer.body


@pytest.mark.parametrize("host", [None, ""])
async def test_without_host_the_server_is_the_base(told, host) -> None:
    assert (await told(("9.9.9.9", 1), host=host))["base"] == "http://127.0.0.1:8000"
