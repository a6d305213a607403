"""The application as a whole: alive, ready, its figures, its reference, and how it starts and ends."""

import asyncio
import re
from contextlib import closing
from pathlib import Path

import asyncpg
import boto3
import httpx
import pytest
from sqlalchemy.engine import make_url

from entrepot import __version__
from entrepot.app import create_app, load
from entrepot.kernel.errors import SettingsError, Unavailable
from entrepot.kernel.identity import Role, Scope
from tests.services.house import House, OpenHouse

OK = {"status": "ok"}


async def test_health_and_ready(opened: OpenHouse) -> None:
    for path in ("/health", "/ready"):
        for method in ("GET", "HEAD"):
            answer = await opened.client.request(method, path, headers={"Authorization": "Token nonsense"})
            assert answer.status_code == 200, path
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-request-id"]
        assert (await opened.client.get(path)).json() == OK
        assert (await opened.client.post(path)).status_code == 405


async def assert_not_ready(opened: OpenHouse, what: str) -> None:
    answer = await opened.client.get("/ready")
    assert answer.status_code == 503
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert re.search(what, problem["detail"])
    assert "\n" not in problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert (await opened.client.get("/health")).json() == OK


@pytest.mark.parametrize("mode", ["embedded"], indirect=True)
async def test_without_the_folder_it_is_not_ready(opened: OpenHouse, house: House) -> None:
    folder = house.data_dir / "files"
    assert (await opened.client.get("/ready")).status_code == 200
    away = folder.rename(folder.with_name("away"))
    folder.write_text("a file where the folder was")
    await assert_not_ready(opened, "folder")
    folder.unlink()
    away.rename(folder)
    assert (await opened.client.get("/ready")).status_code == 200


@pytest.mark.parametrize("mode", ["scaled"], indirect=True)
async def test_without_the_bucket_it_is_not_ready(opened: OpenHouse, house: House) -> None:
    bucket = house.environ["ENTREPOT_STORE_URL"].removeprefix("s3://")
    with closing(
        boto3.client(
            "s3",
            endpoint_url=house.environ["ENTREPOT_S3_ENDPOINT"],
            region_name=house.environ["ENTREPOT_S3_REGION"],
            aws_access_key_id=house.environ["ENTREPOT_S3_ACCESS_KEY_ID"],
            aws_secret_access_key=house.environ["ENTREPOT_S3_SECRET_ACCESS_KEY"],
        )
    ) as s3:
        await asyncio.to_thread(s3.delete_bucket, Bucket=bucket)
        await assert_not_ready(opened, f"{bucket}.* doesn't exist")
        await asyncio.to_thread(s3.create_bucket, Bucket=bucket)
        assert (await opened.client.get("/ready")).status_code == 200


@pytest.mark.parametrize("mode", ["scaled"], indirect=True)
async def test_without_the_store_it_is_not_ready(house: House) -> None:
    async with house.open(ENTREPOT_S3_ENDPOINT="http://127.0.0.1:1") as opened:
        await assert_not_ready(opened, "S3|store|bucket")


@pytest.mark.parametrize("mode", ["scaled"], indirect=True)
async def test_without_the_database_it_is_not_ready_and_comes_back(opened: OpenHouse, house: House) -> None:
    url = make_url(house.environ["ENTREPOT_DATABASE_URL"])
    server = await asyncpg.connect(url.set(database="postgres").render_as_string(hide_password=False))
    try:
        await server.execute(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false')
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
        await server.execute(kill, url.database)
        for _ in range(2):
            await assert_not_ready(opened, "database")
        for path in ("/archive/frames/", "/archive/thumbnails/"):
            answer = await opened.client.get(path)
            assert answer.status_code == 503
            assert list(answer.json()) == ["detail"]
        assert (await opened.client.get("/archive/health/")).status_code == 200
        await server.execute(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true')
    finally:
        await server.close()
    assert (await opened.client.get("/ready")).status_code == 200
    assert (await opened.client.get("/archive/frames/")).status_code == 200


async def test_figures_are_for_staff_and_for_addresses_that_are_allowed(house: House) -> None:
    async with house.open() as opened:
        await opened.client.get("/archive/frames/")
        user = await opened.account("user")
        staff = await opened.account("staff", Role.STAFF, scope=Scope.READ)
        admin = await opened.account("admin", Role.ADMIN)
        bad = {"Authorization": "Token nonsense"}
        for who, status in (({}, 401), (bad, 401), (user, 403), (staff, 200), (admin, 200)):
            answer = await opened.client.get("/metrics", headers=who)
            assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/plain")
        assert re.search(r'entrepot_http_requests_total\{.*route="/archive/frames/".*\} [1-9]', answer.text)
    async with house.open(ENTREPOT_METRICS_ALLOW="192.0.2.0/24, 127.0.0.1") as opened:
        assert (await opened.client.get("/metrics")).status_code == 200
    async with house.open(ENTREPOT_METRICS_ALLOW="192.0.2.0/24") as opened:
        assert (await opened.client.get("/metrics")).status_code == 401
        forged = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
        assert (await opened.client.get("/metrics", headers=forged)).status_code == 401
    proxied = {"ENTREPOT_METRICS_ALLOW": "192.0.2.0/24", "ENTREPOT_TRUSTED_PROXIES": "127.0.0.1"}
    async with house.open(**proxied) as opened:
        behind = await opened.client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
        assert behind.status_code == 200


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
@pytest.mark.parametrize("mode", ["embedded"], indirect=True)
async def test_the_reference_needs_no_other_host(opened: OpenHouse) -> None:
    page = await opened.client.get("/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert len(links) >= 3
    for link in links:
        assert "//" not in link
        asset = await opened.client.get(f"/{link}")
        assert asset.status_code == 200, link
        assert asset.content
        if asset.headers["content-type"].startswith(("text/css", "text/javascript")):
            assert not re.search(r'(?:import|@import|url\()\s*["\']?https?://', asset.text[:2_000_000])
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    description = (await opened.client.get("/openapi.json")).json()
    assert (description["info"]["title"], description["info"]["version"]) == ("Entrepôt", __version__)
    assert {"/health", "/ready", "/metrics", "/archive/frames/"} <= set(description["paths"])
    assert not {"/docs", "/openapi.json", "/archive/frames", "/archive/frames.json"} & set(
        description["paths"]
    )
    for methods in description["paths"].values():
        assert all(operation["summary"] for operation in methods.values())


async def test_what_is_not_there_is_a_problem_that_a_person_can_read(opened: OpenHouse) -> None:
    for path, status in (
        ("/nonsense", 404),
        ("/static/../x", 404),
        ("/%zz", 400),
        ("/static/nothing.js", 404),
    ):
        answer = await opened.client.get(httpx.URL("http://archive.test").copy_with(raw_path=path.encode()))
        assert answer.status_code == status, path
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["status"] == status
        assert problem["detail"].endswith(".")


async def test_a_request_id_that_is_given_is_kept(opened: OpenHouse) -> None:
    given = await opened.client.get("/health", headers={"X-Request-ID": "abc-1.2_3"})
    assert given.headers["x-request-id"] == "abc-1.2_3"
    other = await opened.client.get("/health", headers={"X-Request-ID": "not\tsane"})
    assert re.fullmatch("[0-9a-f]{16}", other.headers["x-request-id"])


async def test_the_body_limit_of_the_settings_counts(house: House) -> None:
    async with house.open(ENTREPOT_BODY_LIMIT="2000") as opened:
        who = await opened.staff()
        large = await opened.client.post("/archive/frames/", content=b"x" * 2001, headers=who)
        assert (large.status_code, list(large.json())) == (413, ["detail"])
        small = await opened.client.post("/archive/frames/", content=b"[]".ljust(2000), headers=who)
        assert small.status_code == 415


async def test_nothing_is_built_before_the_application_runs(house: House, tmp_path: Path) -> None:
    environ = house.environ | {
        "ENTREPOT_DATA_DIR": str(tmp_path / "untouched"),
        "ENTREPOT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    }
    app = create_app(load(environ))
    assert not (tmp_path / "untouched").exists()
    with pytest.raises(Unavailable, match="database"):
        async with app.router.lifespan_context(app):
            raise AssertionError
    del environ["ENTREPOT_SECRET_KEY"]
    app = create_app(load(environ))
    with pytest.raises(SettingsError, match="ENTREPOT_SECRET_KEY"):
        async with app.router.lifespan_context(app):
            raise AssertionError


async def test_it_starts_again_where_it_stopped(house: House) -> None:
    for round_ in range(2):
        async with house.open() as opened:
            if round_ == 0:
                await opened.account("kept")
            assert (await opened.client.get("/ready")).status_code == 200
            assert (await opened.client.get("/archive/frames/")).json()["count"] == 0
