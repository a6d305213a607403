"""What may be the path of an object."""

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.objects import ObjectStore, S3Options, open_store
from tests.kernel.objects.streams import collect, stream

BAD = {
    "empty": "",
    "root": "/",
    "absolute": "/etc/passwd",
    "dot": ".",
    "dot inside": "a/./b",
    "parent": "..",
    "parent first": "../a",
    "parent inside": "a/../b",
    "parent last": "a/..",
    "empty part": "a//b",
    "trailing slash": "a/",
    "backslash": "a\\b",
    "backslash parent": "..\\a",
    "NUL": "a\0b",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "escape": "a\x1b[2Jb",
    "delete": "a\x7fb",
    "next line": "a\x85b",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "lone surrogate": "a\ud800b",
    "leading space": "a/ b",
    "trailing space": "a /b",
    "space": "a/ /b",
    "no-break space": "a/\xa0b",
    "long part": "a/" + "b" * 256,
    "long part in bytes": "é" * 128,
    "long": "/".join(["b" * 200] * 6),
}
GOOD = [
    "a",
    "tst/kb01/20260101/raw/tst1m0-kb01-20260101-0001-e00.fits.fz",
    "a b/c  d.fits",
    "a+b",
    "a%b",
    "a%20b",
    "a%2Fb",
    "a#b",
    "a?b",
    "a~b",
    "~a",
    "é/日本/😀.fits",
    "e\u0301",
    "o'b",
    'a"b',
    "a&b=c",
    "a=b",
    "a(b)[c]{d}",
    "a*b!",
    "a:b;c,d@e$f",
    "a<b>|c^d`e",
    ".hidden",
    "a.",
    "...",
    "..a",
    "b" * 255,
    "/".join(["b" * 200] * 4),
]


@pytest.fixture(params=["file", "s3", "memory"])
def any_store(request: pytest.FixtureRequest, tmp_path) -> ObjectStore:
    urls = {"file": tmp_path.as_uri(), "s3": "s3://bucket/prefix", "memory": "memory://"}
    return open_store(urls[request.param], s3=S3Options("http://127.0.0.1:9", None, "a", "b"))


@pytest.mark.parametrize("path", BAD.values(), ids=BAD.keys())
async def test_a_bad_path_is_refused_in_one_sentence(any_store: ObjectStore, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        any_store.check_path(path)
    sentence = refused.value.detail
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert len(sentence) < 250


@pytest.mark.parametrize("path", ["../a", "/a", "a//b", "a\nb"])
async def test_a_bad_path_is_refused_at_every_door(any_store: ObjectStore, path: str) -> None:
    with pytest.raises(InvalidInput):
        await any_store.put(path, stream(b"x"))
    with pytest.raises(InvalidInput):
        await any_store.stat(path)
    with pytest.raises(InvalidInput):
        await any_store.open(path)
    with pytest.raises(InvalidInput):
        await collect(any_store.read(path))
    with pytest.raises(InvalidInput):
        await any_store.checksums(path)
    with pytest.raises(InvalidInput):
        await any_store.delete(path)


async def test_the_keys_of_s3_have_room_for_the_prefix() -> None:
    store = open_store("s3://bucket/" + "p" * 100, s3=S3Options("http://127.0.0.1:9", None, "a", "b"))
    path = "/".join(["b" * 99] * 10)[:923]
    store.check_path(path)
    with pytest.raises(InvalidInput):
        store.check_path(path + "b")


@pytest.mark.parametrize("path", GOOD)
async def test_a_good_path_makes_the_round_trip(store: ObjectStore, path: str) -> None:
    store.check_path(path)
    await store.put(path, stream(path.encode()))
    assert await collect(store.read(path)) == path.encode()
    assert (await store.stat(path)).size == len(path.encode())
    await store.delete(path)


async def test_names_that_look_alike_are_different_objects(store: ObjectStore) -> None:
    names = ["a b", "a+b", "a%20b", "a%2520b", "A b", "é", "e\u0301"]
    for name in names:
        await store.put(name, stream(name.encode()))
    assert [await collect(store.read(name)) for name in names] == [name.encode() for name in names]
