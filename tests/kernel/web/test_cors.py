from __future__ import annotations

import pytest
from fastapi import FastAPI, Response

from entrepot.kernel.errors import Forbidden

ORIGIN = {"Origin": "https://elsewhere.example"}


@pytest.fixture
def app(edge) -> FastAPI:
    app = edge(expose=["X-Total-Count"])

    @app.get("/vary")
    async def vary(value: str) -> Response:
        return Response(b"ok", headers={"Vary": value})

    for status in (200, 204, 206, 304):

        def answer(status: int = status) -> Response:
            return Response(status_code=status)

        app.add_api_route(f"/{status}", answer)

    @app.get("/403")
    async def forbidden() -> None:
        raise Forbidden("No.")

    @app.get("/500")
    async def broken() -> None:
        raise RuntimeError

    return app


@pytest.mark.parametrize("path", ["/200", "/204", "/206", "/304", "/403", "/404", "/500"])
async def test_every_answer_is_open(app, client, path) -> None:
    answer = await client(app).get(path, headers=ORIGIN)
    assert answer.status_code == int(path[1:])
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert "access-control-allow-credentials" not in answer.headers
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed >= {"ETag", "Content-Range", "Content-Length", "Location", "Link", "Retry-After"}
    assert exposed >= {"Content-Disposition", "X-Request-ID", "X-Total-Count"}
    assert answer.headers["vary"] == "Origin"


async def test_wrong_method_is_open_too(app, client) -> None:
    answer = await client(app).delete("/200", headers=ORIGIN)
    assert answer.status_code == 405
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_without_origin_only_vary(app, client) -> None:
    answer = await client(app).get("/200")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("value", "merged"),
    [
        ("Accept", "Accept, Origin"),
        ("Accept, origin", "Accept, origin"),
        ("*", "*"),
        ("", "Origin"),
        (" Accept ,Cookie,", "Accept, Cookie, Origin"),
    ],
)
async def test_vary_is_merged(app, client, value, merged) -> None:
    answer = await client(app).get("/vary", params={"value": value}, headers=ORIGIN)
    assert answer.headers.get_list("vary") == [merged]


async def test_preflight(app, client) -> None:
    answer = await client(app).options(
        "/anything", headers={**ORIGIN, "Access-Control-Request-Method": "PUT"}
    )
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert answer.headers["access-control-max-age"] == "86400"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {
        "accept",
        "authorization",
        "content-type",
        "user-agent",
        "x-csrftoken",
        "x-requested-with",
    } <= set(allowed)
    assert {"range", "if-range", "if-match", "if-none-match", "x-request-id"} <= set(allowed)
    assert "Origin" in answer.headers["vary"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("asked", "added"),
    [
        ("X-Entrepot-Note", {"x-entrepot-note"}),
        ("x-one,  X-TWO", {"x-one", "x-two"}),
        ("range, authorization", set()),
        ("bad name", set()),
        ("a\r\nx: y", set()),
        ("x-é", set()),
        (",", set()),
        ("x" * 65, set()),
        (",".join(f"x-{n}" for n in range(200)), set()),
    ],
)
async def test_preflight_echoes_good_header_names(app, call, asked, added) -> None:
    async def allowed(*more: tuple[bytes, bytes]) -> set[str]:
        headers = [(b"host", b"h"), (b"origin", b"null"), (b"access-control-request-method", b"GET"), *more]
        answer = await call(app, method="OPTIONS", headers=headers)
        return set(answer.header("access-control-allow-headers").split(", "))

    asking = (b"access-control-request-headers", asked.encode())
    assert await allowed(asking) - await allowed() == added


async def test_options_that_is_no_preflight_reaches_the_app(app, client) -> None:
    answer = await client(app).options("/200", headers=ORIGIN)
    assert answer.status_code == 405
