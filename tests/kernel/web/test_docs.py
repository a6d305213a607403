from __future__ import annotations

import gzip
import hashlib
import re
from html.parser import HTMLParser

import pytest
from fastapi import FastAPI

from entrepot.kernel.web import install_docs
from entrepot.web import static_folder

VENDOR = "/static/vendor/swagger-ui-5.35.0"
BUNDLE_SHA256 = "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2"


@pytest.fixture
def app(edge) -> FastAPI:
    app = edge()
    app.title = "Entrepôt <test>"

    @app.get("/things/{key:segment}/", summary="A thing")
    async def thing(key: str) -> str:
        return key

    install_docs(app, static=static_folder())
    return app


class Page(HTMLParser):
    """Collects what a page loads, and what stands inline."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline = ""
        self.open: str | None = None

    def handle_starttag(self, tag, attrs) -> None:
        self.open = tag
        self.loads += [value for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag) -> None:
        self.open = None

    def handle_data(self, data) -> None:
        if self.open in ("script", "style"):
            self.inline += data.strip()


async def test_the_page_is_complete_without_any_other_host(app, client) -> None:
    asks = client(app)
    answer = await asks.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Entrepôt &lt;test&gt;: API reference</title>" in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "script-src" not in policy
    page = Page()
    page.feed(answer.text)
    assert page.inline == ""
    assert len(page.loads) == 5
    for address in page.loads:
        assert not re.match(r"[a-z]+:|/", address)
        assert (await asks.get(f"/{address}")).status_code == 200


async def test_the_script_asks_nobody_else(app, client) -> None:
    text = (await client(app).get("/static/docs.js")).text
    assert "validatorUrl: null" in text
    assert not re.search(r"https?://", text)


async def test_description(app, client) -> None:
    asks = client(app)
    answer = await asks.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    description = answer.json()
    assert description["info"]["title"] == "Entrepôt <test>"
    assert list(description["paths"]) == ["/things/{key}/"]
    again = await asks.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("favicon-32x32.png", "image/png"),
        ("LICENSE", "application/octet-stream"),
    ],
)
async def test_vendored_files_are_kept_for_ever(app, client, name, kind) -> None:
    asks = client(app)
    answer = await asks.get(f"{VENDOR}/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-disposition" not in answer.headers
    again = await asks.get(f"{VENDOR}/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await asks.head(f"{VENDOR}/{name}")
    assert head.headers["content-length"] == answer.headers["content-length"]


async def test_own_files_are_asked_for_again(app, client) -> None:
    assert (await client(app).get("/static/docs.js")).headers["cache-control"] == "no-cache"


async def test_the_bundle_is_the_published_one_packed_or_not(app, client) -> None:
    asks = client(app)
    packed = await asks.get(f"{VENDOR}/swagger-ui-bundle.js", headers={"Accept-Encoding": "gzip"})
    plain = await asks.get(f"{VENDOR}/swagger-ui-bundle.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert hashlib.sha256(packed.content).hexdigest() == BUNDLE_SHA256  # httpx has unpacked it
    assert hashlib.sha256(plain.content).hexdigest() == BUNDLE_SHA256
    assert packed.headers["etag"] != plain.headers["etag"]
    assert {name.strip() for name in packed.headers["vary"].split(",")} >= {"Accept-Encoding"}
    stored = (static_folder() / "vendor/swagger-ui-5.35.0/swagger-ui-bundle.js.gz").read_bytes()
    assert hashlib.sha256(gzip.decompress(stored)).hexdigest() == BUNDLE_SHA256


@pytest.mark.parametrize(
    "path",
    [
        "",
        "missing.js",
        "vendor",
        "vendor/",
        "../__init__.py",
        "vendor/../docs.js",
        "..%2F__init__.py",
        "%2e%2e/__init__.py",
        "%2Fetc%2Fpasswd",
        "/etc/passwd",
        "docs.js/",
        "docs.js%00",
    ],
)
async def test_nothing_else_is_served(app, call, path) -> None:
    answer = await call(app, b"/static/" + path.encode())
    assert answer.status in (400, 404)


async def test_packed_name_is_a_file_too(app, client) -> None:
    answer = await client(app).get(f"{VENDOR}/swagger-ui-bundle.js.gz")
    assert answer.headers["content-type"] == "application/octet-stream"
