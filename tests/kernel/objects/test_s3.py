"""What is special about S3: versions, signed URLs, parts, and a server that fails."""

import asyncio
import hashlib
import hmac
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from entrepot.kernel.errors import InvalidInput, Unavailable
from entrepot.kernel.objects import ObjectMissing, ObjectStore, S3Options, open_store
from tests.kernel.objects.buckets import KEYS, REGION, Server
from tests.kernel.objects.streams import MIB, collect, failing, noise, stream, sums

PREFIX = "some prefix/"
LARGE = noise(18 * MIB + 12345)
NAMES = ["a b/c d", "a+b", "a%b", "a%20b", "a#b", "a?b", "~a~", "é/日本", "o'b", "a&b=c", "a(b)[c]!*", 'a"b']


async def test_objects_lie_below_the_prefix(s3_store: ObjectStore, s3_server: Server, bucket: str) -> None:
    for name in NAMES:
        await s3_store.put(name, stream(name.encode()))
    assert sorted(s3_server.keys(bucket)) == sorted(PREFIX + name for name in NAMES)
    for name in NAMES:
        assert s3_server.content(bucket, PREFIX + name) == name.encode()


async def test_what_another_client_stored_is_read(
    s3_store: ObjectStore, s3_server: Server, bucket: str
) -> None:
    for name in NAMES:
        answer = s3_server.client.put_object(Bucket=bucket, Key=PREFIX + name, Body=name.encode())
        checksums, stat = await s3_store.checksums(name, version=answer["VersionId"])
        assert checksums == sums(name.encode())
        assert stat.etag == answer["ETag"].strip('"') == checksums.md5
        assert stat.version == answer["VersionId"]


@pytest.mark.parametrize("size", [0, 5, 8 * MIB - 1])
async def test_below_8_mib_the_etag_is_the_md5(s3_store: ObjectStore, size: int) -> None:
    stored = await s3_store.put("a", stream(LARGE[:size]))
    assert stored.stat.etag == stored.checksums.md5


async def test_the_content_type_is_kept(s3_store: ObjectStore, s3_server: Server, bucket: str) -> None:
    await s3_store.put("small", stream(b"content"), content_type="image/fits")
    await s3_store.put("large", stream(LARGE), content_type="image/fits")
    for name in ("small", "large"):
        head = s3_server.client.head_object(Bucket=bucket, Key=PREFIX + name)
        assert head["ContentType"] == "image/fits"


async def test_each_version_is_kept_and_named(s3_store: ObjectStore, s3_server: Server, bucket: str) -> None:
    first = await s3_store.put("a", stream(b"first"))
    second = await s3_store.put("a", stream(LARGE))
    assert first.stat.version
    assert second.stat.version
    assert first.stat.version != second.stat.version
    assert await s3_store.stat("a", version=first.stat.version) == first.stat
    assert await s3_store.stat("a", version=second.stat.version) == second.stat
    assert await s3_store.stat("a") == second.stat
    assert await collect(s3_store.read("a", version=first.stat.version)) == b"first"
    assert await collect(s3_store.read("a", start=1, stop=3, version=first.stat.version)) == b"ir"
    assert await s3_store.checksums("a", version=first.stat.version) == (sums(b"first"), first.stat)
    opened = await s3_store.open("a", version=first.stat.version)
    assert await collect(opened.read()) == b"first"
    assert s3_server.content(bucket, PREFIX + "a", first.stat.version) == b"first"


@pytest.mark.parametrize("name", NAMES)
async def test_deleting_one_version_keeps_the_other(s3_store: ObjectStore, name: str) -> None:
    first = await s3_store.put(name, stream(b"first"))
    second = await s3_store.put(name, stream(b"second"))
    await s3_store.delete(name, version=second.stat.version)
    await s3_store.delete(name, version=second.stat.version)
    with pytest.raises(ObjectMissing):
        await s3_store.stat(name, version=second.stat.version)
    assert await collect(s3_store.read(name)) == b"first"
    await s3_store.delete(name, version=first.stat.version)
    with pytest.raises(ObjectMissing):
        await s3_store.stat(name)


@pytest.mark.parametrize("version", ["", " ", "a\nb", "é", "\ud800", "x" * 2000])
async def test_what_cant_be_a_version_is_missing_and_deletes_nothing(
    s3_store: ObjectStore, version: str
) -> None:
    await s3_store.put("a", stream(b"content"))
    with pytest.raises(ObjectMissing):
        await s3_store.delete("a", version=version)
    with pytest.raises(ObjectMissing):
        await s3_store.signed_url("a", version=version, filename="a", expires=60)
    assert await collect(s3_store.read("a")) == b"content"


@pytest.mark.parametrize("content_type", ["image/fits\r\nX-Evil: 1", "é/fits", "image/\ud800"])
async def test_what_cant_be_a_content_type_is_refused(s3_store: ObjectStore, content_type: str) -> None:
    with pytest.raises(InvalidInput, match="is no media type"):
        await s3_store.put("a", stream(b"content"), content_type=content_type)


async def test_deletion_without_a_version_hides_the_object(s3_store: ObjectStore) -> None:
    stored = await s3_store.put("a", stream(b"content"))
    await s3_store.delete("a")
    with pytest.raises(ObjectMissing):
        await s3_store.stat("a")
    assert await collect(s3_store.read("a", version=stored.stat.version)) == b"content"


async def test_deleting_a_version_that_never_was_is_no_error(s3_store: ObjectStore) -> None:
    await s3_store.put("a", stream(b"content"))
    await s3_store.delete("a", version="never-there")
    await s3_store.delete("b", version="never-there")
    assert await collect(s3_store.read("a")) == b"content"


async def test_a_bucket_without_versions(s3_server: Server) -> None:
    name = f"plain-{secrets.token_hex(6)}"
    s3_server.create(name, versioned=False)
    store = open_store(f"s3://{name}", s3=s3_server.options)
    stored = await store.put("a/b", stream(b"content"))
    assert stored.stat.version is None
    assert s3_server.keys(name) == ["a/b"]
    assert await collect(store.read("a/b")) == b"content"
    await store.close()


@pytest.mark.parametrize("sent", [3 * MIB, 17 * MIB])
async def test_no_parts_are_left_of_a_failed_or_cancelled_upload(
    s3_store: ObjectStore, s3_server: Server, bucket: str, sent: int
) -> None:
    with pytest.raises(RuntimeError):
        await s3_store.put("a", failing(LARGE[:sent], RuntimeError("midway")))
    midway = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        async for piece in stream(LARGE[:sent]):
            yield piece
        midway.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(s3_store.put("a", hanging()))
    await midway.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert s3_server.uploads(bucket) == []
    assert s3_server.keys(bucket) == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_signed_url_downloads_that_version(s3_store: ObjectStore, name: str) -> None:
    first = await s3_store.put(name, stream(b"first"))
    await s3_store.put(name, stream(b"second"))
    url = await s3_store.signed_url(name, version=first.stat.version, filename="frame.fits", expires=600)
    newest = await s3_store.signed_url(name, version=None, filename="frame.fits", expires=600)
    assert url
    assert newest
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, b"first")
        assert answer.headers["content-disposition"].startswith('attachment; filename="frame.fits"')
        assert (await client.get(newest)).content == b"second"


@pytest.mark.parametrize(
    ("filename", "plain", "exact"),
    [
        ("frame.fits", "frame.fits", "frame.fits"),
        ("a b.fits", "a b.fits", "a%20b.fits"),
        ('a"b\\c.fits', "a_b_c.fits", "a%22b%5Cc.fits"),
        ("a\r\nX-Evil: 1", "a__X-Evil: 1", "a%0D%0AX-Evil%3A%201"),
        ("é.fits", "_.fits", "%C3%A9.fits"),
        ("100%.fits", "100_.fits", "100%25.fits"),
    ],
)
async def test_the_name_of_a_download_is_safe(
    s3_store: ObjectStore, filename: str, plain: str, exact: str
) -> None:
    url = await s3_store.signed_url("a", version=None, filename=filename, expires=60)
    query = dict(parse_qsl(urlsplit(url or "").query))
    assert (
        query["response-content-disposition"] == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
    )


@pytest.mark.parametrize("name", NAMES)
async def test_the_signature_is_that_of_aws_version_4(s3_store: ObjectStore, bucket: str, name: str) -> None:
    """Worked out anew from the description of Signature Version 4; moto doesn't check it."""
    url = await s3_store.signed_url(name, version="a+b/c=", filename="a b.fits", expires=1234)
    parts = urlsplit(url or "")
    path = quote(f"/{bucket}/{PREFIX}{name}", safe="/-_.~")
    assert parts.path == path
    query = parse_qsl(parts.query)
    signature = dict(query)["X-Amz-Signature"]
    signed = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query if k != "X-Amz-Signature"
    )
    moment = dict(query)["X-Amz-Date"]
    canonical = "\n".join(
        [
            "GET",
            path,
            "&".join(f"{k}={v}" for k, v in signed),
            f"host:{parts.netloc}",
            "",
            "host",
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = [moment[:8], REGION, "s3", "aws4_request"]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{KEYS[1]}".encode()
    for step in [*scope, "\n".join(["AWS4-HMAC-SHA256", moment, "/".join(scope), digest])]:
        key = hmac.digest(key, step.encode(), "sha256")
    assert signature == key.hex()
    assert dict(query)["X-Amz-Credential"] == "/".join([KEYS[0], *scope])
    assert dict(query)["X-Amz-Expires"] == "1234"
    assert dict(query)["versionId"] == "a+b/c="


@pytest.mark.parametrize("expires", [0, -1, 604_801])
async def test_a_validity_that_s3_refuses_is_a_mistake(s3_store: ObjectStore, expires: int) -> None:
    with pytest.raises(ValueError, match="valid for 1 to 604800 seconds"):
        await s3_store.signed_url("a", version=None, filename="a", expires=expires)


async def test_signing_asks_nobody() -> None:
    store = open_store("s3://bucket/prefix", s3=S3Options(None, "eu-west-1", "key", "secret"))
    url = await store.signed_url("a/b", version="1", filename="b", expires=60)
    assert url
    assert url.startswith("https://s3.eu-west-1.amazonaws.com/bucket/prefix/a/b?")
    await store.close()


async def test_a_bucket_that_isnt_there(s3_server: Server) -> None:
    store = open_store("s3://no-such-bucket/prefix", s3=s3_server.options)
    with pytest.raises(Unavailable, match=r"^The bucket 'no-such-bucket' doesn't exist\.$"):
        await store.ready()
    for size in (5, 9 * MIB):
        with pytest.raises(Unavailable, match=r"doesn't exist\.$"):
            await store.put("a", stream(LARGE[:size]))
    with pytest.raises(Unavailable):
        await store.delete("a", version="1")
    await store.close()


async def fails_everywhere(store: ObjectStore, sentence: str) -> None:
    with pytest.raises(Unavailable, match=sentence):
        await store.ready()
    with pytest.raises(Unavailable, match=sentence):
        await store.put("a", stream(b"content"))
    with pytest.raises(Unavailable, match=sentence):
        await store.put("a", stream(LARGE))
    with pytest.raises(Unavailable, match=sentence):
        await store.stat("a")
    with pytest.raises(Unavailable, match=sentence):
        await collect(store.read("a"))
    with pytest.raises(Unavailable, match=sentence):
        await store.delete("a", version="1")
    with pytest.raises(Unavailable, match=sentence):
        await store.delete("a")


async def test_a_server_that_isnt_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store = open_store("s3://bucket", s3=S3Options(f"http://127.0.0.1:{port}", None, "a", "b"))
    await fails_everywhere(store, r"^The bucket 'bucket' doesn't answer\.$")
    await store.close()


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[ObjectStore]:
    """A store whose server gives the answers that ``answer`` makes of the heads of requests."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
        await writer.drain()
        writer.write_eof()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = open_store("s3://bucket", s3=S3Options(f"http://127.0.0.1:{port}", None, "a", "b"))
    yield store
    await store.close()
    server.close()


def refusal(status: int, code: str = "") -> bytes:
    body = f"<Error><Code>{code}</Code></Error>" if code else ""
    head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, r"^The bucket 'bucket' refuses the access \(HTTP 403\); .*\.$"),
        (401, r"^The bucket 'bucket' refuses the access \(HTTP 401\); .*\.$"),
        (501, r"^The bucket 'bucket' failed \(HTTP 501\)\.$"),
    ],
)
async def test_a_server_that_refuses(status: int, sentence: str) -> None:
    async with answering(lambda _: refusal(status)) as store:
        await fails_everywhere(store, sentence)


async def test_a_bucket_of_another_region() -> None:
    async with answering(lambda _: refusal(301)) as store:
        with pytest.raises(Unavailable, match="ENTREPOT_S3_REGION"):
            await store.ready()


@pytest.mark.parametrize(
    ("status", "code"), [(204, ""), (404, "NoSuchVersion"), (404, "NoSuchKey"), (400, "InvalidArgument")]
)
async def test_a_server_may_say_that_the_version_to_delete_is_not_there(status: int, code: str) -> None:
    async with answering(lambda _: refusal(status, code)) as store:
        await store.delete("a", version="1")


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NoSuchBucket"), (400, "AuthorizationHeaderMalformed"), (503, "SlowDown")]
)
async def test_a_version_that_could_not_be_deleted_is_not_said_to_be(status: int, code: str) -> None:
    async with answering(lambda _: refusal(status, code)) as store:
        with pytest.raises(Unavailable):
            await store.delete("a", version="1")


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_a_server_may_say_in_its_way_that_a_version_is_not_there(status: int) -> None:
    async with answering(lambda _: refusal(status)) as store:
        with pytest.raises(ObjectMissing):
            await store.stat("a", version="1")


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.slow
async def test_ready_gives_up_after_five_seconds(silent_endpoint: str) -> None:
    store = open_store("s3://bucket", s3=S3Options(silent_endpoint, None, "a", "b"))
    before = time.monotonic()
    outcomes = await asyncio.gather(*(store.ready() for _ in range(50)), return_exceptions=True)
    assert 4 < time.monotonic() - before < 8
    assert {str(outcome) for outcome in outcomes} == {"The bucket 'bucket' doesn't answer."}
    await store.close()


async def test_a_reader_of_a_silent_server_can_leave_at_once(silent_endpoint: str) -> None:
    store = open_store("s3://bucket", s3=S3Options(silent_endpoint, None, "a", "b"))
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await store.stat("a")
    assert time.monotonic() - before < 2
    await store.close()


FOUND = b'ETag: "a"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'
BROKEN_OFF = b"HTTP/1.1 200 OK\r\n" + FOUND + b"Content-Length: 3000000\r\n\r\n" + bytes(1_500_000)
TOO_SHORT = (
    b"HTTP/1.1 206 Partial Content\r\n" + FOUND + b"Content-Range: bytes 1-2999999/3000000\r\n"
    b"Content-Length: 1000\r\n\r\n" + bytes(1000)
)


@pytest.mark.parametrize(("start", "sent"), [(0, BROKEN_OFF), (1, TOO_SHORT)])
async def test_a_download_that_breaks_off_doesnt_look_complete(start: int, sent: bytes) -> None:
    first = iter([sent])
    async with answering(lambda _: next(first, refusal(501))) as store:
        with pytest.raises(Unavailable):
            await collect(store.read("a", start=start))


ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_REGION": "mars-1",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    "AWS_SKIP_SIGNATURE": "true",
    "AWS_SESSION_TOKEN": "token-of-somebody-else",
    "AWS_ALLOW_HTTP": "false",
}


async def test_what_the_settings_say_counts_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, s3_server: Server, bucket: str
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    store = open_store(f"s3://{bucket}", s3=s3_server.options)
    await store.ready()
    await store.put("a", stream(b"content"))
    url = await store.signed_url("a", version=None, filename="a", expires=60)
    await store.close()
    assert s3_server.content(bucket, "a") == b"content"
    assert f"{KEYS[0]}%2F" in (url or "")
    assert "X-Amz-Security-Token" not in (url or "")


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def test_without_keys_those_of_the_environment_are_taken(
    no_credentials: None, monkeypatch: pytest.MonkeyPatch, s3_server: Server, bucket: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = open_store(f"s3://{bucket}", s3=S3Options(s3_server.endpoint))
    await store.put("a", stream(b"content"))
    url = await store.signed_url("a", version=None, filename="a", expires=60)
    assert "of-the-environment%2F" in (url or "")
    await store.close()


async def test_no_credentials_at_all_are_said_to_be_missing(no_credentials: None, s3_server: Server) -> None:
    store = open_store("s3://bucket", s3=S3Options(s3_server.endpoint))
    with pytest.raises(Unavailable, match="ENTREPOT_S3_ACCESS_KEY_ID"):
        await store.ready()
    with pytest.raises(Unavailable, match="no valid credentials"):
        await store.stat("a")
    await store.close()


LAST_WORDS = """
import asyncio, sys
from entrepot.kernel.objects import ObjectMissing, S3Options, open_store

async def content():
    yield b"content"

async def main():
    options = S3Options(sys.argv[2], None, "a", "b")
    for store in (open_store("memory://"), open_store(sys.argv[1], s3=options)):
        await store.put("a", content())
        try:
            await store.stat("b")
        except ObjectMissing:
            pass

asyncio.run(main())
"""


async def test_a_process_may_end_right_after_its_last_call(s3_server: Server, bucket: str) -> None:
    """A thread of the library that is still busy then would abort it."""
    for _ in range(3):
        command = [sys.executable, "-c", LAST_WORDS, f"s3://{bucket}", s3_server.endpoint]
        outcome = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
        assert (outcome.returncode, outcome.stderr) == (0, b"")


STOPPED = """
import asyncio
from entrepot.kernel.objects import open_store

async def hanging():
    yield b"content"
    loop.stop()
    await asyncio.sleep(600)

loop = asyncio.new_event_loop()
task = loop.create_task(open_store("memory://").put("a", hanging()))
loop.run_forever()
"""


async def test_an_upload_doesnt_outlive_its_event_loop() -> None:
    """The process could never end, because its threads are waited for."""
    command = [sys.executable, "-c", STOPPED]
    outcome = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    assert outcome.returncode == 0
