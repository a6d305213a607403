"""Which frames the demo has: ten nights of four cameras, the fields they point at, whose data they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from entrepot.lib.fits import Card

__all__ = [
    "MEMBERS_PROPOSAL", "OTHERS_PROPOSAL", "Exposure", "example", "exposures", "spares",
]  # fmt: skip

MEMBERS_PROPOSAL = "ENT2025A-001"
"""Private, and ada belongs to it."""
OTHERS_PROPOSAL = "ENT2025A-002"
"""Private, and nobody of the demo belongs to it."""
PUBLIC_PROPOSAL = "ENT2023B-010"
OUTREACH_PROPOSAL = "EPO-demo"
CALIBRATION_PROPOSAL = "calibrate"

PUBLIC_DATES = {
    MEMBERS_PROPOSAL: "2060-01-01T00:00:00",
    OTHERS_PROPOSAL: "2060-01-01T00:00:00",
    PUBLIC_PROPOSAL: "2025-06-01T00:00:00",
}
"""Of what isn't here, the rules of the archive make the date."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera on its telescope; ``scale`` in arcsec/pixel."""

    site: str
    telescope: str
    telescope_class: str
    name: str
    nights: tuple[str, ...]
    scale: float
    rotation: float


@dataclass(frozen=True, slots=True)
class Field:
    """A place on the sky in degrees, and who asked for it with which filter and seconds."""

    name: str
    ra: float
    dec: float
    proposal: str
    filter: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Light:
    """What falls on the chip besides stars, and what reading it adds, in counts."""

    sky: float
    bias: float = 1000.0
    read_noise: float = 8.0
    vignetting: float = 0.0


@dataclass(frozen=True, slots=True)
class Exposure:
    """A frame to make: its cards, where it points, and how its light looks."""

    basename: str
    cards: Mapping[str, Card]
    centre: tuple[float, float] | None = None
    scale: float = 1.0
    rotation: float = 0.0
    light: Light = Light(sky=0.0)
    stars: int = 0

    @property
    def filename(self) -> str:
        """The name of its file."""
        return f"{self.basename}.fits"


CAMERAS = (
    Camera("lsc", "1m009", "1m0a", "fa15", ("20250310", "20250311", "20250312"), 1.6, 1.5),
    Camera("coj", "1m011", "1m0a", "fa12", ("20250310", "20250311", "20250312"), 1.6, 178.8),
    Camera("tfn", "0m419", "0m4a", "sq32", ("20250311", "20250312"), 2.2, 0.4),
    Camera("ogg", "0m404", "0m4a", "sq33", ("20250310", "20250312"), 2.2, 93.0),
)

SOUTH = (
    Field("47 Tuc", 6.0224, -72.0815, PUBLIC_PROPOSAL, "V", 30.0),
    Field("omega Cen", 201.6970, -47.4795, PUBLIC_PROPOSAL, "B", 45.0),
    Field("SN 2025dem", 56.7021, -44.0947, MEMBERS_PROPOSAL, "rp", 180.0),
    Field("SN 2025dem", 56.7021, -44.0947, MEMBERS_PROPOSAL, "gp", 180.0),
    Field("WASP-121", 107.6003, -39.0973, OTHERS_PROPOSAL, "zs", 20.0),
    Field("South celestial pole", 0.0, -89.99, OUTREACH_PROPOSAL, "V", 60.0),
    Field("Field at RA 0", 0.0, -5.0, PUBLIC_PROPOSAL, "ip", 120.0),
)
NORTH = (
    Field("M 31", 10.6847, 41.2690, OUTREACH_PROPOSAL, "V", 60.0),
    Field("M 51", 202.4696, 47.1952, PUBLIC_PROPOSAL, "rp", 120.0),
    Field("(3200) Phaethon", 33.5170, 24.1080, MEMBERS_PROPOSAL, "rp", 40.0),
    Field("(3200) Phaethon", 33.5392, 24.1164, MEMBERS_PROPOSAL, "gp", 40.0),
    Field("HAT-P-32", 31.0428, 46.6879, OTHERS_PROPOSAL, "zs", 15.0),
    Field("North celestial pole", 0.0, 89.99, OUTREACH_PROPOSAL, "V", 60.0),
    Field("Field at RA 0", 0.0, 5.0, PUBLIC_PROPOSAL, "ip", 120.0),
)
CALIBRATIONS: tuple[tuple[str, str, str, float, Light], ...] = (
    ("b00", "BIAS", "", 0.0, Light(sky=0.0)),
    ("b00", "BIAS", "", 0.0, Light(sky=0.0)),
    ("d00", "DARK", "", 300.0, Light(sky=6.0)),
    ("d00", "DARK", "", 300.0, Light(sky=6.0)),
    ("f00", "SKYFLAT", "rp", 8.0, Light(sky=30000.0, vignetting=0.25)),
    ("f00", "SKYFLAT", "V", 6.0, Light(sky=28000.0, vignetting=0.25)),
)
"""The end of the name, type, filter, seconds and light of what is taken at dusk."""


def exposures() -> Iterator[Exposure]:
    """Give the 200 frames: for each night 6 calibrations, and 7 fields raw and reduced."""
    number = 0
    for camera in CAMERAS:
        for night in camera.nights:
            dusk = list(_dusk(camera, night))
            yield from dusk
            for order, place in enumerate(SOUTH if camera.site in ("lsc", "coj") else NORTH):
                number += 1
                raw = _raw(camera, night, order, place, number)
                yield raw
                yield _reduced(raw, dusk)


def example() -> Exposure:
    """Give a frame that everyone may see, which was made of four others."""
    return next(one for one in exposures() if one.cards["OBJECT"] == "M 51" and one.cards["RLEVEL"] == 91)


def spares() -> list[Exposure]:
    """Give three frames that the demo leaves to be filed by hand."""
    camera, place = CAMERAS[-1], NORTH[1]
    return [_raw(camera, camera.nights[-1], order, place, 500 + order) for order in (90, 91, 92)]


def _dusk(camera: Camera, night: str) -> Iterator[Exposure]:
    start = _moment(night, 0)
    for order, (ending, kind, filter_name, seconds, light) in enumerate(CALIBRATIONS):
        name = _basename(camera, night, order + 1, ending)
        cards = _cards(camera, night, start + timedelta(minutes=6 * order), kind, CALIBRATION_PROPOSAL)
        cards |= {
            "OBJECT": "",
            "FILTER": filter_name,
            "EXPTIME": seconds,
            "BLKUID": 700_000 + int(night[-2:]),
        }
        yield Exposure(name, cards, light=light)


def _raw(camera: Camera, night: str, order: int, place: Field, number: int) -> Exposure:
    name = _basename(camera, night, len(CALIBRATIONS) + order + 1, "e00")
    moment = _moment(night, 90) + timedelta(minutes=11 * order, milliseconds=137 * number)
    cards = _cards(camera, night, moment, "EXPOSE", place.proposal)
    cards |= {
        "OBJECT": place.name, "FILTER": place.filter, "EXPTIME": place.seconds, "USERID": "demo",
        "REQNUM": 310_000 + number // 2, "BLKUID": 810_000 + number, "MOLUID": 910_000 + number,
    }  # fmt: skip
    sky = 2.0 * place.seconds
    return Exposure(
        name, cards, (place.ra, place.dec), camera.scale, camera.rotation, Light(sky), 140
    )  # fmt: skip


def _reduced(raw: Exposure, dusk: list[Exposure]) -> Exposure:
    """Give the reduced frame of a raw one, which names what it was made of."""
    bias, dark = dusk[0].filename, dusk[2].filename
    flat = next(
        (one.filename for one in dusk if one.cards["FILTER"] == raw.cards["FILTER"]), dusk[4].filename
    )
    made_of: dict[str, Card] = {
        "RLEVEL": 91, "ORIGNAME": raw.filename, "L1IDBIAS": bias, "L1IDDARK": dark, "L1IDFLAT": flat
    }  # fmt: skip
    light = Light(sky=60.0, bias=0.0, read_noise=4.0)
    name = raw.basename.removesuffix("e00") + "e91"
    return Exposure(name, {**raw.cards, **made_of}, raw.centre, raw.scale, raw.rotation, light, raw.stars)


def _cards(camera: Camera, night: str, moment: datetime, kind: str, proposal: str) -> dict[str, Card]:
    cards: dict[str, Card] = {
        "SITEID": camera.site, "TELESCOP": camera.telescope, "TELID": camera.telescope_class,
        "INSTRUME": camera.name, "DATE-OBS": moment.isoformat(timespec="milliseconds"), "DAY-OBS": night,
        "OBSTYPE": kind, "PROPID": proposal, "RLEVEL": 0, "ORIGIN": "Entrepot demo, not observed",
    }  # fmt: skip
    if proposal in PUBLIC_DATES:
        cards["L1PUBDAT"] = PUBLIC_DATES[proposal]
    return cards


def _basename(camera: Camera, night: str, order: int, ending: str) -> str:
    return f"{camera.site}{camera.telescope}-{camera.name}-{night}-{order:04}-{ending}"


def _moment(night: str, minutes: int) -> datetime:
    return datetime.strptime(night, "%Y%m%d") + timedelta(hours=20, minutes=minutes)  # noqa: DTZ007 - as in FITS
