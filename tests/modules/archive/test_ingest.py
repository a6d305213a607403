"""Filing frames over HTTP (contract §5)."""

import asyncio
import hashlib
import json
import random
from typing import Any

import pytest
from sqlalchemy import select

from entrepot.kernel.events import events
from tests.modules.archive.door import FRAMES, NOBODY, VERSIONS, Door, assert_one_sentence_each
from tests.modules.archive.frames import posted, version
from tests.services.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

MD5_KNOWN = ["version with this md5 already exists."]
KEY_KNOWN = ["version with this key already exists."]


async def related_names(door: Door, frame_id: int) -> list[str]:
    answer = await door.get(f"{FRAMES}{frame_id}/related/")
    return sorted(one["basename"] for one in answer.json())


async def events_of(door: Door, basename: str) -> list[dict[str, Any]]:
    async with door.house.context.database.read() as session:
        rows = await session.all(select(events.c.kind, events.c.body).order_by(events.c.id))
    bodies = [(kind, json.loads(body)) for kind, body in rows]
    return [
        body for kind, body in bodies if kind == "archive.version.created" and body["basename"] == basename
    ]


async def test_the_answer_is_in_the_serializer_form(door: Door, name: str) -> None:
    answer = await door.post(FRAMES, posted(name, id=7, unknown={"a": [1]}, size="x", frame_basename=3))
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    new = version(name)
    url = f"http://archive.test/archive/files/{new['key']}/{name}.fits"
    created = found["version_set"][0]["created"]
    expected = {
        "id": found["id"],
        "basename": name,
        "area": posted(name)["area"],
        "related_frames": [],
        "version_set": [
            {
                "id": found["version_set"][0]["id"], "created": created, "key": new["key"], "md5": new["md5"],
                "extension": ".fits", "url": url,
            }
        ],
        "filename": f"{name}.fits",
        "url": url,
        "reduction_level": 0,
        "observation_day": "2025-03-04",
        "observation_date": "2025-03-04T05:06:07.890000Z",
        "proposal_id": "PROP-1",
        "instrument_id": "sq33",
        "target_name": "M 31",
        "site_id": "ogg",
        "telescope_id": "0m4a",
        "exposure_time": 30.0,
        "primary_optical_element": "rp",
        "public_date": "2026-03-04T05:06:07.890000Z",
        "configuration_type": "EXPOSE",
        "observation_id": 123456,
        "request_id": 777,
    }  # fmt: skip
    assert found == expected
    assert list(found) == list(expected)
    assert list(found["version_set"][0]) == list(expected["version_set"][0])
    assert created.endswith("Z")


async def test_the_least_that_is_required(door: Door, name: str) -> None:
    body = {
        "basename": name, "area": None, "observation_day": "2025-03-04", "headers": {},
        "configuration_type": "BIAS", "related_frame_filenames": [], "version_set": [],
    }  # fmt: skip
    answer = await door.post(FRAMES, body)
    assert answer.status_code == 201
    found = answer.json()
    assert "url" not in found
    assert "filename" not in found
    assert (found["area"], found["observation_date"], found["public_date"]) == (None, None, None)
    assert (found["site_id"], found["target_name"], found["proposal_id"]) == ("", "", "")
    assert (found["reduction_level"], found["exposure_time"], found["request_id"]) == (0, None, None)
    assert (await door.get(f"{FRAMES}{found['id']}/")).status_code == 404  # not dated, so nobody sees it


async def test_ids_may_be_padded_and_numbers_be_texts_and_names_be_numbers(door: Door, name: str) -> None:
    number = random.randrange(10**9, 10**10)
    changes = {
        "basename": number, "observation_id": "0000296263", "request_id": " 007 ", "exposure_time": " 1.5e1 ",
        "reduction_level": "091.00", "proposal_id": 2025, "target_name": 1.5, "instrument_id": " sq33 ",
        "telescope_id": "", "observation_day": 20250305, "observation_date": " 2025-03-04 05:06:07+02:00 ",
        "public_date": "2025-03-04",
    }  # fmt: skip
    found = (await door.post(FRAMES, posted(name) | changes)).json()
    assert found["basename"] == str(number)
    assert (found["observation_id"], found["request_id"]) == (296263, 7)
    assert (found["exposure_time"], found["reduction_level"]) == (15.0, 91)
    assert (found["proposal_id"], found["target_name"]) == ("2025", "1.5")
    assert (found["instrument_id"], found["telescope_id"]) == ("sq33", "")
    assert found["observation_day"] == "2025-03-05"
    assert found["observation_date"] == "2025-03-04T03:06:07Z"
    assert found["public_date"] == "2025-03-04T00:00:00Z"


HEADERS: list[Any] = [
    {}, [], "", "text", 0, False, 1.5e-300, {"b": 1, "a": {"c": [None, True, "Ω\u2028\U0001f52d"]}},
    {"NUL\u0000": "a\u0000b\u001f\u007f"}, {"": -0.0}, [[[[[]]]]], {"BIG": 10**30}, {"A": '\\u0000 "quoted"'},
]  # fmt: skip


@pytest.mark.parametrize("headers", HEADERS, ids=repr)
async def test_headers_are_any_json_and_come_back_as_they_were(door: Door, name: str, headers: Any) -> None:
    frame = await door.file(name, headers=headers)
    answer = await door.get(f"{FRAMES}{frame['id']}/headers/")
    assert answer.json() == {"data": headers}
    assert json.dumps(answer.json()["data"]) == json.dumps(headers)  # in the same order


async def test_a_known_basename_gets_a_further_version_and_the_new_fields(door: Door, name: str) -> None:
    first = await door.file(name, target_name="M 31", related_frame_filenames=[f"{name}-a"], area=None)
    again = posted(
        name,
        target_name="M 33",
        reduction_level=91,
        headers={"NEW": 1},
        version_set=[version(f"{name} 2", ".fits.fz")],
        related_frame_filenames=[f"{name}-b"],
    )
    del again["site_id"], again["exposure_time"], again["observation_date"]
    answer = await door.post(FRAMES, again)
    assert answer.status_code == 201
    second = answer.json()
    assert second["id"] == first["id"]
    assert (second["target_name"], second["reduction_level"]) == ("M 33", 91)
    assert (second["site_id"], second["exposure_time"]) == ("ogg", 30.0)
    assert second["observation_date"] == first["observation_date"]
    assert second["area"]["type"] == "Polygon"
    assert [one["extension"] for one in second["version_set"]] == [".fits.fz", ".fits"]
    assert second["version_set"][1] == first["version_set"][0]
    assert second["filename"] == f"{name}.fits.fz"
    assert second["url"] == second["version_set"][0]["url"]
    assert set(first["related_frames"]) < set(second["related_frames"])
    assert (await door.get(f"{FRAMES}{first['id']}/headers/")).json() == {"data": {"NEW": 1}}
    detail = await door.detail(first["id"])
    assert detail["version_set"] == second["version_set"]
    assert (detail["url"], detail["filename"]) == (second["url"], second["filename"])
    assert await door.names(f"basename_exact={name}&target_name=M 33&RLEVEL=91") == [name]
    assert await door.names(f"basename_exact={name}&target_name=M 31") == []


async def test_no_version_leaves_the_old_ones_and_null_takes_a_value_away(door: Door, name: str) -> None:
    first = await door.file(name)
    second = await door.file(name, version_set=[], public_date=None, area=None, observation_id=None)
    assert second["version_set"] == first["version_set"]
    assert (second["public_date"], second["area"], second["observation_id"]) == (None, None, None)
    detail = await door.detail(first["id"])
    assert "area" not in detail
    assert detail["L1PUBDAT"] is None
    assert (await door.get(f"{FRAMES}{first['id']}/", NOBODY)).status_code == 404


async def test_of_several_versions_in_one_post_the_last_is_the_newest(door: Door, name: str) -> None:
    new = [
        version(f"{name} {number}", extension)
        for number, extension in enumerate([".fits", ".fits.fz", ".pdf"])
    ]
    found = await door.file(name, version_set=new)
    assert [one["key"] for one in found["version_set"]] == [one["key"] for one in new[::-1]]
    detail = await door.detail(found["id"])
    assert detail["version_set"] == found["version_set"]
    assert found["filename"] == f"{name}.pdf"
    again = await door.file(name, version_set=[version(f"{name} 3")])
    assert again["version_set"][1:] == detail["version_set"]


async def test_a_known_md5_or_key_is_refused_and_changes_nothing(door: Door, name: str) -> None:
    frame = await door.file(name)
    before = await door.detail(frame["id"])
    new, other = version(name), version(f"{name} other")
    refusals: list[tuple[dict[str, str], dict[str, list[str]]]] = [
        ({**new}, {"key": KEY_KNOWN, "md5": MD5_KNOWN}),
        ({**other, "md5": new["md5"]}, {"md5": MD5_KNOWN}),
        ({**other, "md5": new["md5"].upper()}, {"md5": MD5_KNOWN}),
        ({**other, "key": new["key"]}, {"key": KEY_KNOWN}),
    ]
    for one, said in refusals:
        for basename in (name, f"{name}-other"):
            changes = {"target_name": "changed", "headers": {"CHANGED": 1}, "related_frame_filenames": ["x"]}
            answer = await door.post(FRAMES, posted(basename, **changes, version_set=[one]))
            assert (answer.status_code, answer.json()) == (400, {"version_set": [said]})
    both = await door.post(FRAMES, posted(name, version_set=[other, new]))
    assert both.json() == {"version_set": [{}, {"key": KEY_KNOWN, "md5": MD5_KNOWN}]}
    assert await door.detail(frame["id"]) == before
    assert await door.names(f"basename_exact={name}-other") == []
    assert (await door.get(VERSIONS, md5=other["md5"])).json()["count"] == 0
    assert len(await events_of(door, name)) == 1


async def test_two_versions_of_one_post_differ(door: Door, name: str) -> None:
    one, other = version(name), version(f"{name} other")
    for pair in [
        (one, one),
        (one, {**other, "md5": one["md5"].upper()}),
        (one, {**other, "key": one["key"]}),
    ]:
        answer = await door.post(FRAMES, posted(name, version_set=list(pair)))
        assert answer.status_code == 400
        assert list(answer.json()) == ["version_set"]
        assert_one_sentence_each(answer.json())
    assert await door.names(f"basename_exact={name}") == []


async def test_each_version_has_its_event_and_nothing_else_has(door: Door, name: str) -> None:
    frame = await door.file(name, related_frame_filenames=[f"{name}-named"])
    again = await door.file(name, version_set=[version(f"{name} 2"), version(f"{name} 3")])
    await door.file(name, version_set=[])
    found = await events_of(door, name)
    expected = [frame["version_set"][0], *again["version_set"][:2]]
    assert sorted(one["version"] for one in found) == sorted(one["id"] for one in expected)
    assert {one["frame"] for one in found} == {frame["id"]}
    assert await events_of(door, f"{name}-named") == []


async def test_relations_are_symmetric_and_only_added(door: Door, name: str) -> None:
    flat = await door.file(f"{name}-flat")
    related = [f"{name}-flat", f"{name}-flat", name, f" {name} ", f"{name}-unknown"]
    frame = await door.file(name, related_frame_filenames=related)
    assert len(frame["related_frames"]) == 2
    assert flat["id"] in frame["related_frames"]
    assert await related_names(door, frame["id"]) == [f"{name}-flat"]
    assert await related_names(door, flat["id"]) == [name]
    again = await door.file(name, version_set=[], related_frame_filenames=[])
    assert again["related_frames"] == frame["related_frames"]
    back = await door.file(f"{name}-flat", version_set=[], related_frame_filenames=[name])
    assert back["related_frames"] == [frame["id"]]
    assert (await door.detail(frame["id"]))["related_frames"] == [flat["id"]]


async def test_a_placeholder_becomes_real_under_its_id(door: Door, name: str) -> None:
    frame = await door.file(name, related_frame_filenames=[f"{name}-master"])
    (placeholder,) = frame["related_frames"]
    assert (await door.get(f"{FRAMES}{placeholder}/")).status_code == 404
    assert await door.names(f"basename={name}-master") == []
    assert (await door.detail(frame["id"]))["related_frames"] == []
    other = await door.file(f"{name}-other", related_frame_filenames=[f"{name}-master"])
    assert other["related_frames"] == [placeholder]
    real = await door.file(f"{name}-master", configuration_type="BIAS")
    assert real["id"] == placeholder
    assert real["related_frames"] == sorted([frame["id"], other["id"]])
    assert await related_names(door, placeholder) == sorted([name, f"{name}-other"])
    assert (await door.detail(frame["id"]))["related_frames"] == [placeholder]
    assert (await door.get(f"{FRAMES}{placeholder}/headers/")).json()["data"] == {
        "SIMPLE": True,
        "NAXIS1": 100,
    }


async def test_long_keys_and_names(door: Door, name: str) -> None:
    digest = hashlib.sha512(name.encode()).hexdigest()
    key = (digest * 8)[:1000] + "/%2F ?#&'\"<>é;=+|~@!"[: 1024 - 1000]
    key += "k" * (1024 - len(key))
    frame = await door.file(name, version_set=[{**version(name), "key": key}])
    assert frame["version_set"][0]["key"] == key
    listed = (await door.page(f"basename_exact={name}"))["results"][0]
    assert listed["version_set"][0]["key"] == key
    too_long = await door.post(
        FRAMES, posted(f"{name}-2", version_set=[{**version(f"{name}2"), "key": key + "k"}])
    )
    said = {"version_set": [{"key": ["Ensure this field has no more than 1024 characters."]}]}
    assert (too_long.status_code, too_long.json()) == (400, said)
    longest = (digest * 8)[:1000]
    found = await door.file(longest, version_set=[], related_frame_filenames=[longest[::-1]])
    assert await door.names(f"basename={longest}") == []  # without a version in no list
    assert (await door.detail(found["id"]))["basename"] == longest
    answer = await door.post(FRAMES, posted(longest + "x", version_set=[]))
    assert answer.json() == {"basename": ["Ensure this field has no more than 1000 characters."]}


async def test_names_that_no_index_can_take_are_refused(door: Door) -> None:
    chance = random.Random(7)

    def odd(length: int) -> str:
        return "".join(chr(chance.randrange(0x20000, 0x2A000)) for _ in range(length))

    for changes in [
        {"basename": odd(1000)},
        {"related_frame_filenames": [odd(1000)]},
        {"version_set": [{**version("odd key"), "key": odd(1024)}]},
    ]:
        answer = await door.post(FRAMES, posted("odd", version_set=[]) | changes)
        assert answer.status_code == 400, changes
        assert_one_sentence_each(answer.json())
    fits = await door.file(odd(600), version_set=[], target_name=odd(200), proposal_id=odd(200))
    assert len(fits["basename"]) == 600


async def test_a_post_names_many_frames_but_not_any_number(door: Door, name: str) -> None:
    many = [f"{name}-{number}" for number in range(1000)]
    frame = await door.file(name, related_frame_filenames=many)
    assert len(frame["related_frames"]) == 1000
    again = await door.file(name, version_set=[version(f"{name} 2")], related_frame_filenames=many)
    assert len(again["related_frames"]) == 1000
    for changes in [
        {"related_frame_filenames": [*many, "one-more"]},
        {"related_frame_filenames": [str(number) for number in range(50_000)]},
        {"version_set": [version(f"{name} {number}") for number in range(1000)]},
    ]:
        answer = await door.post(FRAMES, posted(name, **changes))
        assert answer.status_code == 400
        assert list(answer.json()) == list(changes)
        assert_one_sentence_each(answer.json())


PATHS_REFUSED: list[dict[str, Any]] = [
    {"site_id": ".."}, {"site_id": "."}, {"site_id": "/"}, {"site_id": "a\\b"}, {"instrument_id": "../../x"},
    {"instrument_id": "a//b"}, {"instrument_id": "a/./b"}, {"instrument_id": "/etc"},
    {"instrument_id": "a\\b"}, {"instrument_id": "a/ b"}, {"basename": "b" * 255},
]  # fmt: skip


@pytest.mark.parametrize("changes", PATHS_REFUSED, ids=str)
async def test_what_the_store_cannot_file_is_refused_and_leaves_nothing(
    door: Door, name: str, changes: dict[str, Any]
) -> None:
    body = posted(name) | changes
    answer = await door.post(FRAMES, body)
    assert answer.status_code == 400, answer.text
    assert_one_sentence_each(answer.json())
    assert await door.names(f"basename_exact={body['basename']}") == []
    assert (await door.get(VERSIONS, md5=body["version_set"][0]["md5"])).json()["count"] == 0


async def test_of_the_same_file_posted_at_once_exactly_one_is_filed(door: Door, name: str) -> None:
    one = version(name)
    same = [posted(name) for _ in range(6)]
    others = [posted(f"{name}-{number}", version_set=[one]) for number in range(6)]
    answers = await asyncio.gather(*(door.post(FRAMES, body) for body in [*same, *others]))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 11
    for answer in answers:
        if answer.status_code == 400:
            assert answer.json() == {"version_set": [{"key": KEY_KNOWN, "md5": MD5_KNOWN}]}
    assert (await door.get(VERSIONS, md5=one["md5"])).json()["count"] == 1
    assert len(await door.names(f"basename={name}")) == 1


async def test_versions_posted_at_once_are_all_there(door: Door, shared_house: House, name: str) -> None:
    who = await door.house.staff()
    async with shared_house.open(ENTREPOT_DATABASE_POOL="20") as wide:
        bodies = [posted(name, version_set=[version(f"{name} {number}")]) for number in range(20)]
        answers = await asyncio.gather(*(wide.client.post(FRAMES, json=body, headers=who) for body in bodies))
    assert [answer.status_code for answer in answers] == [201] * 20
    (frame_id,) = {answer.json()["id"] for answer in answers}
    found = [one["md5"] for one in (await door.detail(frame_id))["version_set"]]
    assert sorted(found) == sorted(body["version_set"][0]["md5"] for body in bodies)
    assert len(await events_of(door, name)) == 20


async def test_frames_that_name_each_other_posted_at_once_are_all_related(door: Door, name: str) -> None:
    basenames = [f"{name}-{number}" for number in range(6)]
    bodies = [posted(one, related_frame_filenames=[*basenames, f"{name}-master"]) for one in basenames]
    answers = await asyncio.gather(*(door.post(FRAMES, body) for body in bodies))
    assert [answer.status_code for answer in answers] == [201] * 6, [answer.text for answer in answers]
    ids = {answer.json()["basename"]: answer.json()["id"] for answer in answers}
    assert len(set(ids.values())) == 6
    for basename, frame_id in ids.items():
        assert await related_names(door, frame_id) == sorted(set(basenames) - {basename})


async def test_a_frame_without_a_date_shows_when_it_gets_one(door: Door, name: str) -> None:
    frame = await door.file(name, observation_date=None)
    assert await door.names(f"basename_exact={name}") == []
    await door.file(name, version_set=[])
    assert (await door.detail(frame["id"]))["version_set"] == frame["version_set"]
    await door.file(name, version_set=[], observation_date=None)
    assert await door.names(f"basename_exact={name}") == []


EDGES: list[dict[str, Any]] = [
    {"observation_date": "0001-01-01T00:00:00", "observation_day": "00010101"},
    {"observation_date": "9999-12-31T23:59:59.999999", "observation_day": "99991231"},
    {"observation_date": "0001-01-01T00:00:00.000001Z", "public_date": "9999-12-31T23:59:59.999999Z"},
    {"reduction_level": -32768},
    {"reduction_level": 32767},
    {"observation_id": 0, "request_id": 2147483647},
    {"exposure_time": 1.7976931348623157e308},
    {"exposure_time": 5e-324},
    {"exposure_time": -0.0},
    {"target_name": "Ω" * 200, "proposal_id": "\U0001f52d" * 200, "primary_optical_element": "é" * 100},
    {"target_name": "\ufdfa" * 200},
    {"area": {"type": "Polygon", "coordinates": [[[186.4, 89], [0, 95], [359.9, -89.9], [186.4, 89]]]}},
]


@pytest.mark.parametrize("changes", EDGES, ids=lambda changes: "-".join(changes))
async def test_values_at_their_limits_come_back_and_are_found(
    door: Door, name: str, changes: dict[str, Any]
) -> None:
    frame = await door.file(name, **changes)
    detail = await door.detail(frame["id"])
    for field in changes:
        assert detail[field] == frame[field], field
    listed = await door.page(f"basename={name}&ordering=exposure_time&limit=1")
    assert listed["results"][0] == detail
    for style in ("cursor", "offset"):
        query = (
            f"basename={name}&ordering=-observation_date,exposure_time,target_name&pagination_style={style}"
        )
        assert await door.names(query) == [name]


async def test_right_ascension_is_kept_between_minus_180_and_180_degrees(door: Door, name: str) -> None:
    ring = [[186.4, 89], [0, 95], [359.9, -89.9], [186.4, 89]]
    frame = await door.file(name, area={"type": "Polygon", "coordinates": [ring], "bbox": [1]})
    kept = [[-173.6, 89.0], [0.0, 90.0], [-0.1, -89.9], [-173.6, 89.0]]
    assert frame["area"] == {"type": "Polygon", "coordinates": [kept]}


async def test_a_form_is_read_as_well(door: Door, name: str) -> None:
    who = await door.house.staff()
    answer = await door.client.post(FRAMES, data={"basename": name, "observation_day": "x"}, headers=who)
    assert answer.status_code == 400
    found = answer.json()
    assert "basename" not in found
    assert found["area"] == ["This field is required."]
    assert found["observation_day"][0].startswith("Date has wrong format.")
    multipart = await door.client.post(FRAMES, files={"basename": (None, name)}, headers=who)
    assert (multipart.status_code, "basename" in multipart.json()) == (400, False)
