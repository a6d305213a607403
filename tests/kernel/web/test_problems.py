from __future__ import annotations

import json
import math
from enum import Enum

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Query
from pydantic import BaseModel, Field, field_validator
from starlette.responses import JSONResponse, Response
from structlog.testing import capture_logs

from entrepot.kernel import errors
from entrepot.kernel.errors import EntrepotError, InvalidInput, TooManyRequests, Unauthenticated
from entrepot.kernel.web import problem_response


class Target(BaseModel):
    ra: float = Field(ge=0, lt=360)


class Item(BaseModel):
    name: str
    target: Target | None = None

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("the name must not be bad")
        return name


def contract(error: EntrepotError, scope: object) -> Response:
    return JSONResponse({"detail": error.detail}, status_code=error.status)


def other(error: EntrepotError, scope: object) -> Response:
    return JSONResponse([error.detail], status_code=error.status)


@pytest.fixture
def app(edge) -> FastAPI:
    app = edge(renderers={"/archive": contract, "/archive/inner/": other})
    router = APIRouter()

    @router.get("/items/")
    async def items(limit: int = Query(10, ge=1)) -> int:
        return limit

    @router.post("/items/")
    async def create(item: Item) -> str:
        return item.name

    @router.get("/unauthenticated")
    async def unauthenticated() -> None:
        raise Unauthenticated("The token is not valid.")

    @router.get("/broken")
    async def broken() -> None:
        secret = "hunter2"
        raise RuntimeError(f"internal detail {secret}")

    @router.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "I'm a teapot.")

    @router.get("/later")
    async def later() -> None:
        raise TooManyRequests("Come back later.", headers={"Retry-After": "30"})

    app.include_router(router)
    app.include_router(router, prefix="/archive")
    app.include_router(router, prefix="/archive/inner")
    app.include_router(router, prefix="/archives")
    return app


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EntrepotError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_each_kind_of_failure(edge, client, kind) -> None:
    app = edge()

    @app.get("/")
    async def fail() -> None:
        raise kind("A sentence.", where="limit", headers={"X-Own": "1"})

    answer = await client(app).get("/", headers={"X-Request-ID": "abc"})
    assert answer.status_code == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-own"] == "1"
    problem = answer.json()
    assert problem.pop("title")
    assert problem == {
        "type": "about:blank",
        "status": kind.status,
        "detail": "A sentence.",
        "code": kind.code,
        "where": "limit",
        "request_id": "abc",
    }


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, None),
        (math.inf, None),
        ([1, -math.inf, {"a": math.nan}], [1, None, {"a": None}]),
        ({"a": ("b", 1.5, True, None)}, {"a": ["b", 1.5, True, None]}),
        ({1: "a"}, {"1": "a"}),
        (Colour.RED, "Colour.RED"),
        (b"x", "b'x'"),
        ("\ud800é", "\ud800é"),
    ],
)
def test_fields_are_always_json(value, written) -> None:
    body = problem_response(InvalidInput("No.", fields={"f": value}), "id").body
    assert json.loads(body, parse_constant=pytest.fail)["errors"] == {"f": written}


def test_endless_fields_end() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert json.loads(problem_response(InvalidInput("No.", fields={"f": loop}), "id").body)


async def test_nothing_here(app, client) -> None:
    answer = await client(app).get("/nowhere")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is nothing at this address."


@pytest.mark.parametrize("prefix", ["", "/archives"])
async def test_wrong_method_names_all_methods(app, client, prefix) -> None:
    answer = await client(app).delete(f"{prefix}/items/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/archive/items/?limit=x", {"detail": "Not valid: limit."}),
        ("/archive/nowhere", {"detail": "There is nothing at this address."}),
        ("/archive", {"detail": "There is nothing at this address."}),
        ("/archive/inner/nowhere", ["There is nothing at this address."]),
    ],
)
async def test_a_module_has_its_own_shape(app, client, path, shape) -> None:
    assert (await client(app).get(path)).json() == shape


@pytest.mark.parametrize("path", ["/archives/nowhere", "/archivex", "/nowhere"])
async def test_other_prefixes_have_the_common_shape(app, client, path) -> None:
    assert (await client(app).get(path)).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("prefix", ["", "/archive", "/archive/inner"])
async def test_401_says_how_to_authenticate(app, client, prefix) -> None:
    answer = await client(app).get(f"{prefix}/unauthenticated")
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate") == ["Token"]


async def test_401_with_its_own_challenge(edge, client) -> None:
    app = edge()

    @app.get("/")
    async def fail() -> None:
        raise Unauthenticated("No.", headers={"www-authenticate": "Bearer"})

    assert (await client(app).get("/")).headers.get_list("www-authenticate") == ["Bearer"]


@pytest.mark.parametrize("prefix", ["", "/archive"])
async def test_headers_of_a_failure_go_out(app, client, prefix) -> None:
    assert (await client(app).get(f"{prefix}/later")).headers["retry-after"] == "30"


@pytest.mark.parametrize("prefix", ["", "/archive"])
async def test_the_unforeseen_shows_nothing_but_is_logged(app, client, prefix) -> None:
    with capture_logs() as lines:
        answer = await client(app).get(f"{prefix}/broken", headers={"X-Request-ID": "abc"})
    assert answer.status_code == 500
    assert "abc" in answer.json()["detail"]
    assert not any(
        word in answer.text for word in ("Traceback", "RuntimeError", "hunter2", "internal detail")
    )
    failures = [line for line in lines if line["event"] == "request failed"]
    assert len(failures) == 1
    assert isinstance(failures[0]["exc_info"], RuntimeError)


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("limit=x", "limit", "Input should be a valid integer, unable to parse string as an integer."),
        ("limit=0", "limit", "Input should be greater than or equal to 1."),
    ],
)
async def test_bad_parameters(app, client, query, field, sentence) -> None:
    answer = await client(app).get(f"/items/?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"] == {field: [sentence]}
    assert answer.json()["detail"] == f"Not valid: {field}."


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name": ["This value is required."]}),
        ({"name": "bad"}, {"name": ["the name must not be bad."]}),
        ({"name": "a", "target": {"ra": 400}}, {"target.ra": ["Input should be less than 360."]}),
        ([], {"body": ["Input should be a valid dictionary or object to extract fields from."]}),
    ],
)
async def test_bad_bodies(app, client, body, fields) -> None:
    answer = await client(app).post("/items/", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"] == fields


@pytest.mark.parametrize("body", ['{"name": NaN', "{", "'a'", '{"name": "\x01"}'])
async def test_bodies_that_are_not_json(app, client, body) -> None:
    answer = await client(app).post("/items/", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["where"] == "body"
    assert answer.json()["detail"].startswith("The body must be valid JSON: ")


async def test_a_body_that_is_not_text(app, client) -> None:
    answer = await client(app).post("/items/", content=b"\xff{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


async def test_an_unknown_framework_status_is_ours(app, client) -> None:
    answer = await client(app).get("/teapot")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "I'm a teapot."


async def test_a_renderer_that_fails_is_no_traceback(edge, client) -> None:
    def fails(error: EntrepotError, scope: object) -> Response:
        raise KeyError("renderer")

    answer = await client(edge(renderers={"/x": fails})).get("/x/y")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "renderer" not in answer.text
