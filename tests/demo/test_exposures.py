"""The made-up frames are what the page and the guide say of them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from entrepot.demo.exposures import Exposure, example, exposures, spares
from entrepot.demo.incoming import make_frames
from entrepot.lib.fits import footprint, read_headers


def _vector(ra: float, dec: float) -> np.ndarray:
    alpha, delta = np.radians((ra, dec))
    return np.array((np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)))


def _is_inside(outline: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Tell whether a point is on the same side of all edges of a small convex outline."""
    corners = [_vector(*corner) for corner in outline]
    sides = {
        np.sign(np.dot(np.cross(one, other), _vector(*point)))
        for one, other in zip(corners, [*corners[1:], corners[0]], strict=True)
    }
    return len(sides) == 1 and float(np.dot(corners[0], _vector(*point))) > 0.99


@pytest.fixture(scope="module")
def frames() -> list[Exposure]:
    return list(exposures())


def test_there_are_200_of_several_sites_instruments_filters_and_proposals(frames: list[Exposure]) -> None:
    assert len({one.basename for one in frames}) == len(frames) == 200
    for card, least in {"SITEID": 4, "INSTRUME": 4, "FILTER": 6, "PROPID": 5, "OBSTYPE": 4}.items():
        assert len({one.cards[card] for one in frames}) >= least, card


def test_reduced_frames_name_frames_that_are_there(frames: list[Exposure]) -> None:
    names = {one.filename for one in frames}
    reduced = [one for one in frames if one.cards["RLEVEL"] == 91]
    parts = ("ORIGNAME", "L1IDBIAS", "L1IDDARK", "L1IDFLAT")

    assert len(reduced) == 70
    assert {one.cards[part] for one in reduced for part in parts} <= names
    assert Counter(one.cards["OBSTYPE"] for one in frames)["BIAS"] == 20


def test_spares_are_not_among_them(frames: list[Exposure]) -> None:
    assert not {one.basename for one in spares()} & {one.basename for one in frames}
    assert example().basename in {one.basename for one in frames}


@pytest.mark.parametrize(
    ("target", "point"),
    [
        ("Field at RA 0", (0.01, -5.0)),
        ("Field at RA 0", (359.99, -5.0)),
        ("South celestial pole", (123.0, -90.0)),
    ],
)
def test_fields_lie_across_ra_0_and_over_a_pole(
    target: str, point: tuple[float, float], frames: list[Exposure], tmp_path: Path
) -> None:
    field = next(one for one in frames if one.cards["OBJECT"] == target)

    make_frames(tmp_path / "incoming", [field])
    outline = footprint(read_headers(tmp_path / "incoming" / field.filename)[0])

    assert outline is not None
    assert _is_inside([(position[0], position[1]) for position in outline], point)
    assert not _is_inside([(position[0], position[1]) for position in outline], (90.0, 45.0))


def test_frames_are_made_once_and_whole(tmp_path: Path) -> None:
    folder, two = tmp_path / "incoming", list(exposures())[:2]
    (tmp_path / "incoming.part").write_bytes(b"left by a run that was killed")

    assert make_frames(folder, two) == 2
    first = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / two[0].filename).unlink()

    assert make_frames(folder, two) == 1
    assert {path.name for path in folder.iterdir()} == set(first)
    assert (folder / two[1].filename).stat().st_mtime_ns == first[two[1].filename]
    assert all(path.stat().st_size > 130_000 for path in folder.iterdir())
