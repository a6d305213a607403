"""Plausible frames of an observatory network, as rows of the archive's tables."""

import hashlib
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from entrepot.lib.sky import Footprint, cover
from entrepot.modules.archive.documents import dumps, render_document
from entrepot.modules.archive.models import FileState, Frame, Version
from entrepot.modules.archive.service.filing import shared_path
from entrepot.modules.archive.store.sky import sky_columns

FRAMES_A_NIGHT = 1000
EXPOSURE_GAP = timedelta(days=1) / FRAMES_A_NIGHT
EMBARGO = timedelta(days=365)
EXTENSION = ".fits.fz"
RELATED_SHARE = 0.1
SECOND_VERSION_SHARE = 0.03
VISITS = 160
"""Frames of an ordinary field, calibrations included."""
CROWD_SHARE = 0.1

SITES = ("bpl", "coj", "cpt", "elp", "lsc", "ogg", "tfn")
TELESCOPES = ("0m4a", "0m4b", "1m0a", "1m0b", "2m0a")
FILTERS = ("U", "B", "V", "R", "I", "up", "gp", "rp", "ip", "zs", "H-Alpha", "air")
TYPES = ("EXPOSE", "SPECTRUM", "STANDARD", "BIAS", "DARK", "SKYFLAT")
TYPE_WEIGHTS = (70, 6, 4, 7, 6, 7)
CALIBRATIONS = frozenset(("BIAS", "DARK", "SKYFLAT"))
TARGETS = (
    "M31",
    "M 87",
    "NGC 4993",
    "Ω Cen",
    "TRAPPIST-1",
    "2I/Borisov",
    "SN 2023ixf",
    "Kepler-186",
    "Gaia 21x",
)
PROPOSALS = tuple(
    f"ENT{year}{half}-{number:03d}" for year in (2023, 2024, 2025) for half in "AB" for number in range(10)
)
PROPOSAL_WEIGHTS = tuple(1 / (1 + place) for place in range(len(PROPOSALS)))

Row = tuple[Any, ...]


@dataclass(slots=True)
class Batch:
    """Rows by table, each in the order of the table's columns."""

    frames: list[Row] = field(default_factory=list[Row])
    documents: list[Row] = field(default_factory=list[Row])
    versions: list[Row] = field(default_factory=list[Row])
    relations: list[Row] = field(default_factory=list[Row])


class Survey:
    """A run of nights at several sites, the same every time for the same size.

    ``last`` is the moment of the newest frame; frames are numbered from 1 in the order of time.
    """

    def __init__(self, frames: int, last: datetime) -> None:
        self.frames = frames
        self.first = last - frames * EXPOSURE_GAP
        self.last = last
        self._chance = random.Random(20_250_304)
        self.fields = [_position(self._chance) for _ in range(max(1, frames // VISITS))]
        """Where frames point to, RA and Dec in degrees; the first field gets a tenth of all frames."""
        self._version_id = 0

    def batches(self, size: int) -> Iterator[Batch]:
        """Give all rows, ``size`` frames at a time."""
        for start in range(1, self.frames + 1, size):
            batch = Batch()
            for number in range(start, min(start + size, self.frames + 1)):
                self._add(number, batch)
            yield batch

    def _add(self, number: int, batch: Batch) -> None:
        frame = self._with_versions(self.frame(number, self.first + number * EXPOSURE_GAP))
        batch.frames.append(_frame_row(frame))
        batch.documents.append((number, render_document(frame), headers(frame)))
        batch.versions += [_version_row(one) for one in frame.versions]
        if self._chance.random() < RELATED_SHARE:
            others = {
                max(1, number - self._chance.randint(1, 200)) for _ in range(self._chance.randint(1, 3))
            }
            for other in others - {number}:
                batch.relations += [(number, other), (other, number)]

    def frame(self, number: int, moment: datetime) -> Frame:
        """Make up a frame without versions."""
        chance = self._chance
        site, telescope = chance.choice(SITES), chance.choice(TELESCOPES)
        kind = chance.choices(TYPES, TYPE_WEIGHTS)[0]
        calibration = kind in CALIBRATIONS
        instrument = f"{'sq' if telescope[0] == '0' else 'fa'}{TELESCOPES.index(telescope):02d}"
        level = 0 if calibration else chance.choice((0, 91))
        field = self.fields[0] if chance.random() < CROWD_SHARE else chance.choice(self.fields)
        footprint = None if calibration else _footprint(field, chance)
        proposal = "calibrate" if calibration else chance.choices(PROPOSALS, PROPOSAL_WEIGHTS)[0]
        return Frame(
            id=number,
            basename=f"{site}{telescope}-{instrument}-{moment:%Y%m%d}-{number:07d}-e{level:02d}",
            observation_date=moment,
            observation_day=moment.date(),
            public_date=moment if calibration else moment + EMBARGO,
            proposal_id=proposal,
            instrument_id=instrument,
            target_name="" if calibration else chance.choice(TARGETS),
            site_id=site,
            telescope_id=telescope,
            primary_optical_element=chance.choice(FILTERS),
            configuration_type=kind,
            reduction_level=level,
            exposure_time=round(chance.uniform(0, 600), 3),
            observation_id=100_000 + number // 5,
            request_id=200_000 + number // 5,
            submitter=f"observer{number % 97}",
            area=footprint and dumps(footprint.geojson()),
            cover=footprint and cover(footprint),
        )

    def _with_versions(self, frame: Frame) -> Frame:
        count = 2 if self._chance.random() < SECOND_VERSION_SHARE else 1
        versions = [self._version(frame, place) for place in range(count)]
        return Frame(
            **{name: getattr(frame, name) for name in FRAME_FIELDS}, versions=tuple(reversed(versions))
        )

    def _version(self, frame: Frame, place: int) -> Version:
        self._version_id += 1
        md5 = hashlib.md5(f"{frame.basename} {place}".encode()).hexdigest()
        return Version(
            id=self._version_id,
            frame_id=frame.id,
            key=md5,
            md5=md5,
            extension=EXTENSION,
            path=shared_path(frame, EXTENSION),
            created=(frame.observation_date or self.last) + timedelta(minutes=5 + place),
            size=12_000_000 + frame.id,
            crc32=frame.id * 2_654_435_761 % 2**32,
            sha256=md5 * 2,
            etag=f"{frame.id:x}-17f0a1b2c3d4e5f6-b71b00",
            state=FileState.CHECKED,
            checked=(frame.observation_date or self.last) + timedelta(minutes=10),
        )


FRAME_FIELDS = tuple(name for name in Frame.__slots__ if name != "versions")

CARDS = 80
"""Cards of a header; with their keywords about 2 kB as JSON."""


def headers(frame: Frame) -> str:
    """Write a header as it is posted, about 2 kB of JSON."""
    cards: dict[str, object] = {
        "ORIGNAME": frame.basename + EXTENSION,
        "DATE-OBS": f"{frame.observation_date:%Y-%m-%dT%H:%M:%S.%f}"[:-3],
        "SITEID": frame.site_id,
        "TELID": frame.telescope_id,
        "INSTRUME": frame.instrument_id,
        "OBJECT": frame.target_name,
        "FILTER": frame.primary_optical_element,
        "EXPTIME": frame.exposure_time,
        "PROPID": frame.proposal_id,
        "USERID": frame.submitter,
    }
    for place in range(CARDS - len(cards)):
        value = math.sin(frame.id * (place + 1)) * 100
        cards[f"CARD{place:04d}"] = round(value, 6) if place % 3 else f"reading of sensor {place}"
    return json.dumps(cards, separators=(",", ":"), ensure_ascii=False)


def _position(chance: random.Random) -> tuple[float, float]:
    return chance.uniform(0, 360), math.degrees(math.asin(chance.uniform(-0.99, 0.99)))


def _footprint(field: tuple[float, float], chance: random.Random) -> Footprint:
    """Make up where a frame of a field lies: 26' square, dithered by an arcminute or so."""
    ra, dec = (centre + chance.gauss(0, 0.02) for centre in field)
    half = 0.22
    wide = half / math.cos(math.radians(dec))
    corners = ((-1, -1), (-1, 1), (1, 1), (1, -1))
    return Footprint(tuple((round(ra + x * wide, 8), round(dec + y * half, 8)) for x, y in corners))


def _frame_row(one: Frame) -> Row:
    """Order a frame's values as ``archive_frame`` has its columns."""
    lower = one.target_name.lower()
    created = (one.observation_date or datetime.now(UTC)) + timedelta(minutes=5)
    return (
        one.id, one.basename, one.basename.lower(), one.observation_date, one.observation_day,
        one.public_date, one.proposal_id, one.instrument_id, one.target_name, lower, lower.replace("ω", "o"),
        one.site_id, one.telescope_id, one.primary_optical_element, one.configuration_type,
        one.reduction_level, one.exposure_time, one.observation_id, one.request_id, one.submitter, one.area,
        *sky_columns(one).values(), True, 0, created, created,
    )  # fmt: skip


def _version_row(one: Version) -> Row:
    """Order a version's values as ``archive_version`` has its columns; nobody holds a lease."""
    return (
        one.id, one.frame_id, one.key, one.md5, one.extension, one.path, one.store_version, one.created,
        one.size, one.crc32, one.sha256, one.etag, one.state.value, one.checked, None,
    )  # fmt: skip


def posted_body(frame: Frame, md5: str, related: Sequence[str] = ()) -> bytes:
    """Write a frame as a client posts it, whose file is in the store under the key ``md5``."""
    body = {
        "basename": frame.basename,
        "area": json.loads(frame.area) if frame.area else None,
        "headers": json.loads(headers(frame)),
        "observation_day": f"{frame.observation_day:%Y%m%d}",
        "observation_date": f"{frame.observation_date:%Y-%m-%dT%H:%M:%S.%f}Z",
        "public_date": f"{frame.public_date:%Y-%m-%dT%H:%M:%S.%f}Z",
        "related_frame_filenames": list(related),
        "version_set": [{"key": md5, "md5": md5, "extension": EXTENSION}],
    }
    plain = (
        "proposal_id", "instrument_id", "target_name", "site_id", "telescope_id", "primary_optical_element",
        "configuration_type", "reduction_level", "exposure_time", "observation_id", "request_id",
    )  # fmt: skip
    body |= {name: getattr(frame, name) for name in plain}
    return json.dumps(body).encode()
