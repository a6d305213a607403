"""From a URL to a store."""

from pathlib import Path

import pytest

from entrepot.kernel.errors import SettingsError
from entrepot.kernel.objects import S3Options, open_store
from tests.kernel.objects.streams import collect, stream

KEYS = S3Options(access_key_id="a", secret_access_key="b")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files",
        "/srv/files",
        "file:",
        "file://",
        "file://files",
        "file://host/files",
        "file:///a%00b",
        "file:///dev/null/files",
        "s3://",
        "s3://a",
        "s3:///prefix",
        "s3://user:secret@bucket/prefix",
        "s3://bucket?x=1",
        "s3://bucket/a/../b",
        "s3://bucket/a//b",
        "memory://x",
        "memory:",
        "gs://bucket/prefix",
        "http://127.0.0.1/",
    ],
)
def test_a_bad_url_is_a_settings_error_that_names_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"ENTREPOT_STORE_URL .* can't be used: .*\.$"):
        open_store(url, s3=KEYS)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (S3Options(endpoint="s3.example.org"), "ENTREPOT_S3_ENDPOINT"),
        (S3Options(endpoint="ftp://s3.example.org"), "ENTREPOT_S3_ENDPOINT"),
        (S3Options(endpoint="https://"), "ENTREPOT_S3_ENDPOINT"),
        (S3Options(endpoint="https://s3.example.org:port"), "ENTREPOT_S3_ENDPOINT"),
        (S3Options(endpoint="https://s3.example.org/?x=1"), "ENTREPOT_S3_ENDPOINT"),
        (S3Options(access_key_id="a"), "ENTREPOT_S3_SECRET_ACCESS_KEY"),
        (S3Options(secret_access_key="b"), "ENTREPOT_S3_ACCESS_KEY_ID"),
    ],
)
def test_bad_s3_options_are_settings_errors(options: S3Options, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        open_store("s3://bucket/prefix", s3=options)


@pytest.mark.parametrize("name", ["files", "with space", "per%cent", "é", "a#b", "a?b"])
async def test_a_folder_is_made_where_the_url_says(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "new" / name
    store = open_store(folder.as_uri())
    await store.put("a/b", stream(b"content"))
    assert (folder / "a" / "b").read_bytes() == b"content"
    assert store.scheme == "file"
    await store.close()


async def test_stores_in_memory_are_apart() -> None:
    one, other = open_store("memory://"), open_store("memory://")
    await one.put("a", stream(b"1"))
    await other.put("a", stream(b"2"))
    assert await collect(one.read("a")) == b"1"
    assert one.scheme == "memory"


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(S3Options(access_key_id="a", secret_access_key="hush"))
