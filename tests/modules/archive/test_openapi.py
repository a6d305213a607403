"""The API reference's description of the archive: valid, complete, with models for what comes and goes."""

from typing import Any

import pytest
import pytest_asyncio
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.modules.archive.door import FRAMES, Door
from tests.modules.archive.frames import posted

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # FastAPI means GET and HEAD of one route, of which the description keeps GET.
    pytest.mark.filterwarnings("ignore:Duplicate Operation ID"),
]

Document = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def document(door: Door) -> Document:
    answer = await door.client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document: Document) -> list[tuple[str, str, Document]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/archive/")
    ]


def resolved(document: Document, schema: Document) -> Document:
    while "$ref" in schema:
        at: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        schema = at
    return schema


async def test_the_document_is_valid_and_every_reference_leads_somewhere(document: Document) -> None:
    OpenAPIV31SpecValidator(document).validate()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                resolved(document, value)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)


ROUTES = {
    "/archive/": {"get"},
    "/archive/frames/": {"get", "post"},
    "/archive/frames/{frame_id}/": {"get"},
    "/archive/frames/{frame_id}/headers/": {"get"},
    "/archive/frames/{frame_id}/related/": {"get"},
    "/archive/versions/": {"get"},
    "/archive/versions/{version_id}/": {"get"},
    "/archive/thumbnails/": {"get", "post"},
    "/archive/thumbnails/{thumbnail_id}/": {"get"},
    "/archive/files/{key}/{name}": {"get"},
    "/archive/upload/{name}": {"put"},
    "/archive/frames/bulk": {"post"},
    "/archive/profile/": {"get"},
    "/archive/health/": {"get"},
    "/archive/api-token-auth/": {"get", "post"},
    "/archive/revoke_token/": {"post"},
}


async def test_every_route_of_the_contract_is_described(document: Document) -> None:
    found: dict[str, set[str]] = {}
    for path, method, operation in operations(document):
        found.setdefault(path, set()).add(method)
        assert operation["summary"], (path, method)
        assert operation["tags"], (path, method)
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert good, (path, method)
        for status in good:
            answer = operation["responses"][status]
            assert answer["description"]
            assert status == "206" or answer["content"], (path, method)
    for path, methods in ROUTES.items():
        assert methods <= found[path], path
    assert set(ROUTES) == set(found)
    numbers = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(numbers) == len(set(numbers))


async def test_lists_name_their_parameters(document: Document) -> None:
    for path, least in [
        ("/archive/versions/", {"md5", "limit", "offset"}),
        (
            "/archive/thumbnails/",
            {"frame_basename", "proposal_id", "observation_id", "request_id", "size", "limit"},
        ),
    ]:
        assert least <= {one["name"] for one in document["paths"][path]["get"]["parameters"]}
    parameters = document["paths"]["/archive/frames/"]["get"]["parameters"]
    names = {one["name"] for one in parameters if one["in"] == "query"}
    for name in (
        "start",
        "dayobs",
        "SITEID",
        "exclude_OBSTYPE",
        "ordering",
        "cursor",
        "limit",
        "public",
        "format",
    ):
        assert name in names
    assert all(one["description"] for one in parameters)
    assert len(names) == len(parameters)


async def test_what_the_routes_answer_fits_what_is_described(door: Door, document: Document) -> None:
    frame = await door.file("described")
    for path, url in [
        ("/archive/frames/", FRAMES), ("/archive/frames/{frame_id}/", f"{FRAMES}{frame['id']}/"),
        ("/archive/versions/", "/archive/versions/"), ("/archive/profile/", "/archive/profile/"),
        ("/archive/", "/archive/"),
    ]:  # fmt: skip
        content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        fits(document, content["schema"], (await door.get(url)).json())
    created = document["paths"]["/archive/frames/"]["post"]["responses"]["201"]["content"]["application/json"]
    fits(document, created["schema"], frame)


def fits(document: Document, schema: Document, value: Any) -> None:
    """Check that an object has the keys that its schema requires and no others."""
    schema = resolved(document, schema)
    if isinstance(value, list):
        for item in value:
            fits(document, schema["items"], item)
    if not isinstance(value, dict) or "properties" not in schema:
        return
    assert set(schema.get("required", ())) <= set(value)
    assert set(value) <= set(schema["properties"]), schema["title"]
    for name, inner in value.items():
        fits(document, schema["properties"][name], inner)


async def test_bodies_are_described_by_models_that_real_posts_fit(document: Document) -> None:
    for path in ("/archive/frames/", "/archive/thumbnails/", "/archive/api-token-auth/"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        schema = resolved(document, content["application/json"]["schema"])
        assert schema["properties"], path
        if path == "/archive/frames/":
            assert set(schema["required"]) <= set(posted("x"))
            known = set(posted("x")) - {"frame_basename", "size"}
            assert known <= set(schema["properties"])
            version = resolved(document, schema["properties"]["version_set"]["items"])
            assert set(version["required"]) == {"key", "md5", "extension"}


async def test_the_upload_door_is_described(document: Document) -> None:
    operation = document["paths"]["/archive/upload/{name}"]["put"]
    headers = {one["name"]: one for one in operation["parameters"] if one["in"] == "header"}
    assert set(headers) == {"Repr-Digest", "Content-Digest", "Content-MD5", "X-Entrepot-Metadata"}
    assert [one["name"] for one in operation["parameters"] if one["in"] == "path"] == ["name"]
    assert all(one["description"] for one in headers.values())
    assert operation["requestBody"]["content"] == {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    }
    assert set(operation["responses"]["201"]["headers"]) == {"Location"}
    assert {"400", "408", "413", "415", "503", "507"} <= set(operation["responses"])


async def test_filing_many_frames_is_described(document: Document) -> None:
    operation = document["paths"]["/archive/frames/bulk"]["post"]
    assert {one["name"] for one in operation["parameters"]} == {"answers", "Idempotency-Key"}
    [(media_type, body)] = operation["requestBody"]["content"].items()
    assert media_type == "application/x-ndjson"
    assert set(body["schema"]["required"]) <= set(posted("x"))
    [(media_type, result)] = operation["responses"]["200"]["content"].items()
    assert media_type == "application/x-ndjson"
    assert set(result["schema"]["properties"]) == {"line", "repeated", "status", "frame", "errors", "detail"}
    assert {"400", "409", "415", "503"} <= set(operation["responses"])
