"""Files to ingest, and what the archive holds afterwards."""

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from entrepot.kernel.identity import Role
from entrepot.lib.fits.cards import Card, format_cards, parse_cards
from entrepot.lib.fits.starfield import star_field
from tests.services.house import House, OpenHouse

CARDS: dict[str, Card] = {
    "PROPID": "PROP-1",
    "DATE-OBS": "2025-03-04T05:06:07.890",
    "DAY-OBS": "20250304",
    "INSTRUME": "sq33",
    "SITEID": "ogg",
    "TELID": "0m4a",
    "OBSTYPE": "EXPOSE",
    "BLKUID": 123456,
    "REQNUM": "0000777",
    "OBJECT": "M 31",
    "EXPTIME": 30.0,
    "FILTER": "rp",
    "RLEVEL": 0,
}
CENTRE = (10.68, 41.27)


def frame_bytes(seed: int, *, without: tuple[str, ...] = (), **cards: Card) -> bytes:
    """Make a small frame; ``DATE_OBS`` is written as DATE-OBS."""
    changed = CARDS | {name.replace("_", "-"): value for name, value in cards.items()}
    kept = {name: value for name, value in changed.items() if name not in without}
    return star_field(kept, seed=seed, centre=CENTRE, shape=(16, 16), stars=1)


def multi_extension(seed: int) -> bytes:
    """Make a file whose primary header has the cards and whose first extension has the sky."""
    image = frame_bytes(seed)
    end = image.index(b"END" + b" " * 77)
    shape = ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2")
    cards = {name: card for name, card in parse_cards(image[:end]).items() if name not in CARDS}
    extension: dict[str, Card] = {"XTENSION": "IMAGE", **{name: cards.pop(name) for name in shape}}
    extension |= {"PCOUNT": 0, "GCOUNT": 1, **cards, "EXTNAME": "SCI"}
    del extension["SIMPLE"]
    primary = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True, **CARDS}
    data = image[(end // 2880 + 1) * 2880 :]
    return format_cards(primary.items()) + format_cards(extension.items()) + data


def make_frames(folder: Path, count: int) -> list[Path]:
    """Write so many frames that differ."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"ogg0m404-sq33-20250304-{number:04}-e00.fits" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(frame_bytes(number, BLKUID=number))
    return paths


def outcomes(stdout: str) -> dict[str, dict[str, Any]]:
    """Read the lines of --json, by the name of the file."""
    lines = [json.loads(line) for line in stdout.splitlines()]
    found = {Path(line["path"]).name: line for line in lines}
    assert len(found) == len(lines), "a file was told of twice"
    return found


async def staff_of(opened: OpenHouse) -> Mapping[str, str]:
    """Give the headers of somebody who sees all; every opening of a house makes its own."""
    for token in opened.tokens.values():
        return {"Authorization": f"Token {token}"}
    return await opened.account(f"operator-{secrets.token_hex(4)}", Role.STAFF)


async def frames_of(opened: OpenHouse) -> dict[str, dict[str, Any]]:
    """Give the frames that have versions, by basename."""
    staff = await staff_of(opened)
    answer = await opened.client.get("/archive/frames/?limit=1000", headers=staff)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    return {frame["basename"]: frame for frame in answer.json()["results"]}


async def downloads_of(opened: OpenHouse) -> dict[str, bytes]:
    """Download every version of every frame, by its URL's name and MD5."""
    staff = await staff_of(opened)
    found: dict[str, bytes] = {}
    for frame in (await frames_of(opened)).values():
        for version in frame["version_set"]:
            answer = await opened.client.get(version["url"], headers=staff)
            assert answer.status_code == 200, answer.text
            name = urlsplit(version["url"]).path.rpartition("/")[2]
            assert (name, version["md5"]) not in found
            found[f"{name} {version['md5']}"] = answer.content
    return found


async def versions_of(opened: OpenHouse) -> list[dict[str, Any]]:
    """Give all versions as ``/versions/`` has them."""
    staff = await staff_of(opened)
    return (await opened.client.get("/archive/versions/?limit=1000", headers=staff)).json()["results"]


def filed_names(house: House) -> list[str]:
    """Give the names of the files in the store as they came: without the MD5 in them."""
    return sorted(re.sub(r"[.][0-9a-f]{32}(?=[.])", "", Path(key).name) for key in objects_of(house))


def objects_of(house: House) -> list[str]:
    """List the objects in the store, every version of each, without unfinished ones."""
    if "ENTREPOT_STORE_URL" not in house.environ:
        root = house.data_dir / "files"
        paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(str(path) for path in paths if path.parts[0] != ".entrepot")
    client = boto3.client(
        "s3",
        endpoint_url=house.environ["ENTREPOT_S3_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="testtest",
    )
    bucket = house.environ["ENTREPOT_STORE_URL"].removeprefix("s3://")
    listed = client.list_object_versions(Bucket=bucket)
    client.close()
    assert not listed["IsTruncated"]
    return sorted(version["Key"] for version in listed.get("Versions", []))
