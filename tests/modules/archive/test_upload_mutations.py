"""200 broken and hostile files through the upload door: filed, or refused and nothing left of them."""

import hashlib
import json
import os
from urllib.parse import quote, unquote

import httpx

from tests.modules.archive.door import Door, Headers, sentences
from tests.modules.archive.ingest_cli.holdings import downloads_of, objects_of
from tests.modules.archive.ingest_cli.mutations import Mutation, assert_is_one_sentence, mutations
from tests.modules.archive.uploads import spooled
from tests.services.house import House, OpenHouse


async def upload(opened: OpenHouse, staff: Headers, mutation: Mutation) -> httpx.Response:
    """Upload a file with its description."""
    headers: dict[str, str | bytes] = dict(staff)
    if mutation.beside is not None:
        # A header has one line.
        headers["X-Entrepot-Metadata"] = mutation.beside.translate(bytes.maketrans(b"\r\n\0", b"   "))
    path = "/archive/upload/" + quote(os.fsencode(mutation.name), safe="")
    return await opened.client.put(path, content=mutation.content, headers=headers)


def assert_is_refused_well(answer: httpx.Response) -> None:
    """Check that a refusal says in sentences what is wrong, and nothing of where the file lay."""
    assert answer.status_code == 400, answer.text
    said = sentences(answer.json())
    assert said
    for sentence in said:
        assert_is_one_sentence(sentence)
    for inside in (".part", "spool", "/tmp", "Readers"):
        assert inside not in answer.text


async def test_each_is_filed_or_leaves_nothing(house: House, opened: OpenHouse) -> None:
    staff = await opened.staff()
    filed: dict[str, bytes] = {}
    seen: set[str] = set()
    for mutation in mutations():
        answer = await upload(opened, staff, mutation)
        md5 = hashlib.md5(mutation.content).hexdigest()
        if answer.status_code == 201:
            assert md5 not in seen
            filed[f"{mutation.name} {md5}"] = mutation.content
            seen.add(md5)
        elif "version_set" in json.loads(answer.content):
            assert md5 in seen
        else:
            assert not mutation.sound, (mutation.what, answer.text)
            assert_is_refused_well(answer)
    assert spooled(Door(opened)) == []
    assert len(objects_of(house)) == len(filed)
    assert {unquote(name): content for name, content in (await downloads_of(opened)).items()} == filed
    assert 20 < len(filed) < 120
