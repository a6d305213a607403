"""What each class of files gives of a file, and which class a name has."""

import gzip
import io
import json
import os
import random
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from entrepot.lib.fits import FitsError
from entrepot.modules.archive.service.file_classes import CLASSES as READERS
from entrepot.modules.archive.service.records import (
    Rules,
    parse_json_cards,
    read_record,
    rules_of,
    split_name,
)
from entrepot.modules.archive.service.rules import CLASSES
from entrepot.modules.archive.settings import FILE_CLASSES, ArchiveSettings
from tests.modules.archive.ingest_cli.holdings import CARDS, frame_bytes, multi_extension
from tests.modules.archive.ingest_cli.mutations import PDF, PICTURE, TILED, real
from tests.modules.archive.ingest_cli.packing import tar

RULES = rules_of(ArchiveSettings(), {})
NAME = "ogg0m404-sq33-20250304-0001-e91"


def _rules(classes: str = "", **given: Any) -> Rules:
    return rules_of(ArchiveSettings(file_classes=classes), given)


def _read(folder: Path, name: str, content: bytes, rules: Rules = RULES) -> dict[str, Any]:
    (folder / name).write_bytes(content)
    return read_record(folder / name, rules)


def _refusal(folder: Path, name: str, content: bytes, rules: Rules = RULES) -> str:
    with pytest.raises(FitsError) as refused:
        _read(folder, name, content, rules)
    return str(refused.value)


# Names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", CLASSES)
def test_names_are_split_at_the_first_dot(extension: str) -> None:
    assert split_name(f"a-b_c{extension}", RULES) == ("a-b_c", extension)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".fits", "begins with a dot"),
        ("a.b.fits", "has a dot before .fits;"),
        ("a.b.fits.fz", "has a dot before .fits.fz;"),
        ("a.b.tar.gz", "has a dot before .tar.gz;"),
        ("a", "Files without an extension aren't filed; these are: .fits, .fits.fz,"),
        ("", "begins with a dot"),
        ("a.FITS", "Files named .FITS aren't filed"),
        ("a.fits.", "Files named .fits. aren't filed"),
        ("a.gz", "Files named .gz aren't filed"),
        (f"a.{'x' * 250}", "x… aren't filed"),
        ("a.b\nc", r"Files named '.b\nc' aren't filed"),
    ],
)
def test_names_that_are_refused(name: str, reason: str) -> None:
    with pytest.raises(FitsError) as refused:
        split_name(name, RULES)
    assert reason in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


def test_a_facility_has_classes_of_its_own() -> None:
    rules = _rules(".cat.fits=fits, .h5=described, .gif=refused")
    assert split_name("x.cat.fits", rules) == ("x", ".cat.fits")
    assert split_name("x.h5", rules) == ("x", ".h5")
    with pytest.raises(FitsError, match=r"Files named \.gif aren't filed"):
        split_name("x.gif", rules)
    with pytest.raises(FitsError, match="and some more"):
        split_name("x", _rules(",".join(f".e{number}=fits" for number in range(100))))


def test_the_settings_know_the_classes_that_there_are() -> None:
    assert set(FILE_CLASSES) == {*READERS, "refused"}


# FITS ----------------------------------------------------------------------------------------------


def test_packed_frames_are_read_as_the_plain_ones(tmp_path: Path) -> None:
    for content in (frame_bytes(1), multi_extension(2), real(TILED)):
        plain = _read(tmp_path, f"{NAME}.fits", content)
        assert _read(tmp_path, f"{NAME}.fits.gz", gzip.compress(content)) == plain


def test_a_frame_that_isnt_whole_is_found_out_behind_the_header_that_describes_it(tmp_path: Path) -> None:
    frame = multi_extension(1)
    assert "truncated" in _refusal(tmp_path, "a.fits.gz", gzip.compress(frame[:-2880]))
    assert "truncated" in _refusal(tmp_path, "a.fits.gz", gzip.compress(frame)[:-1])
    assert "damaged" in _refusal(tmp_path, "a.fits.gz", gzip.compress(frame)[:-8] + bytes(8))


def test_a_huge_packed_frame_is_read_as_far_as_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.modules.archive.service.file_classes.PROVEN", 100)
    cut = gzip.compress(frame_bytes(1) + random.Random(1).randbytes(1 << 20))[:-1]
    assert _read(tmp_path, "a.fits.gz", cut)["proposal_id"] == "PROP-1"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.fits.gz", frame_bytes(1), "a.fits.gz isn't packed by gzip"),
        ("a.fits", gzip.compress(frame_bytes(1)), "a.fits isn't a FITS file"),
        ("a.fits.fz", gzip.compress(frame_bytes(1)), "a.fits.fz isn't a FITS file"),
    ],
)
def test_the_content_is_what_the_name_says(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    assert reason in _refusal(tmp_path, name, content)


def test_of_another_extension_the_content_tells(tmp_path: Path) -> None:
    rules = _rules(".img=fits,.pack=tar")
    for content in (frame_bytes(1), gzip.compress(frame_bytes(1))):
        assert _read(tmp_path, "a.img", content, rules)["proposal_id"] == "PROP-1"
    for content in (tar(("x.fits", frame_bytes(1))), gzip.compress(tar(("x.fits", frame_bytes(1))))):
        assert _read(tmp_path, "a.pack", content, rules)["proposal_id"] == "PROP-1"


def test_the_name_may_be_another_than_the_files(tmp_path: Path) -> None:
    (tmp_path / "spooled").write_bytes(frame_bytes(1))
    record = read_record(tmp_path / "spooled", RULES, name=f"{NAME}.fits")
    assert record["basename"] == NAME
    with pytest.raises(FitsError, match=r"^b\.fits\.gz isn't packed"):
        read_record(tmp_path / "spooled", RULES, name="b.fits.gz")


# Tars ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "content"),
    [
        ("x.fits", frame_bytes(1)),
        ("deep/down/x.fits", frame_bytes(1)),
        ("x.fits.gz", gzip.compress(frame_bytes(1))),
        ("a.b.fits", frame_bytes(1)),
    ],
)
@pytest.mark.parametrize("extension", [".tar", ".tar.gz", ".tgz"])
def test_the_first_frame_in_a_tar_describes_it(
    tmp_path: Path, inside: str, content: bytes, extension: str
) -> None:
    made = tar(
        ("readme.txt", b"x" * 5000), ("._x.fits", b"of a Mac"), ("x.fits.md5", b"0"), (inside, content),
        ("second.fits", frame_bytes(2, OBJECT="second")),
    )  # fmt: skip
    record = _read(tmp_path, f"{NAME}{extension}", made if extension == ".tar" else gzip.compress(made))
    assert record["basename"] == NAME
    assert record["target_name"] == "M 31"
    assert record["reduction_level"] == 0
    assert record["area"] is not None


def test_a_tar_without_a_level_is_a_product(tmp_path: Path) -> None:
    made = tar(("x.fits", frame_bytes(1, without=("RLEVEL",))))
    assert _read(tmp_path, f"{NAME}.tar.gz", gzip.compress(made))["reduction_level"] == 90
    assert _read(tmp_path, f"{NAME}.fits", frame_bytes(1, without=("RLEVEL",)))["reduction_level"] == 91


def test_a_tar_that_isnt_whole_is_found_out_behind_its_frame(tmp_path: Path) -> None:
    made = tar(("x.fits", frame_bytes(1)), ("rest", b"x" * 100_000))
    assert "truncated" in _refusal(tmp_path, "a.tar", made[: len(made) // 2])
    assert "truncated" in _refusal(tmp_path, "a.tar.gz", gzip.compress(made)[:-1])
    assert "leads out" in _refusal(tmp_path, "a.tar", tar(("x.fits", frame_bytes(1)), ("../y", b"")))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "holds no FITS file"),
        ([("x.txt", b"x"), ("x.FITS", frame_bytes(1))], "holds no FITS file"),
        ([("inner.tar", tar(("x.fits", frame_bytes(1))))], "holds no FITS file"),
        ([("x.fits", b"x")], "a.tar, member x.fits isn't a FITS file"),
        ([("x.fits.gz", frame_bytes(1))], "a.tar, member x.fits.gz isn't packed by gzip"),
        ([("x.fits", frame_bytes(1, without=("PROPID",)))], "lacks PROPID"),
        ([("x.fits", frame_bytes(1)[:-2880])], "a.tar, member x.fits is truncated"),
    ],
)
def test_tars_that_are_refused(tmp_path: Path, files: list[tuple[str, bytes]], reason: str) -> None:
    made = tar(*files) if files else tar(("empty", b""))
    assert reason in _refusal(tmp_path, "a.tar", made)


def test_nothing_of_a_tar_is_written(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        one = tarfile.TarInfo("x.fits")
        one.size = len(frame_bytes(1))
        made.addfile(one, io.BytesIO(frame_bytes(1)))
    _read(tmp_path, "a.tar.gz", buffer.getvalue())
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


# Files with their cards beside them ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{NAME}-summary.pdf", PDF),
        (f"{NAME}-small.jpg", PICTURE),
        (f"{NAME}-small.jpeg", PICTURE),
        (f"{NAME}.png", b"\x89PNG\r\n\x1a\n"),
        (f"{NAME}.gif", b"GIF89a"),
    ],
)
@pytest.mark.parametrize("beside", ["{name}.json", "{basename}.json"])
def test_a_described_file(tmp_path: Path, name: str, content: bytes | str, beside: str) -> None:
    content = real(content) if isinstance(content, str) else content
    described = tmp_path / beside.format(name=name, basename=name.partition(".")[0])
    described.write_text(json.dumps({**CARDS, "RADIUS": 60.0, "RA": "00:42:44", "DEC": 41.27}))
    record = _read(tmp_path, name, content)
    assert (record["proposal_id"], record["observation_id"]) == ("PROP-1", 123456)
    assert record["area"] is not None
    assert _read(tmp_path, name, content, _rules(OBJECT="given"))["target_name"] == "given"


def test_the_nearer_description_counts(tmp_path: Path) -> None:
    (tmp_path / "a.pdf.json").write_text(json.dumps({**CARDS, "OBJECT": "near"}))
    (tmp_path / "a.json").write_text(json.dumps({**CARDS, "OBJECT": "far"}))
    assert _read(tmp_path, "a.pdf", real(PDF))["target_name"] == "near"


def test_given_cards_are_enough(tmp_path: Path) -> None:
    assert _read(tmp_path, "a.pdf", real(PDF), _rules(**CARDS))["proposal_id"] == "PROP-1"
    assert "lacks PROPID" in _refusal(tmp_path, "a.pdf", real(PDF), _rules(OBJECT="x"))


def test_without_cards_it_says_where_to_put_them(tmp_path: Path) -> None:
    said = _refusal(tmp_path, "a-e92-summary.pdf", real(PDF))
    assert "into a-e92-summary.pdf.json (or a-e92-summary.json) beside it" in said


def test_a_class_of_the_facilitys_own_is_described_too(tmp_path: Path) -> None:
    rules = _rules(".fits.zst=described, .preview.png=described")
    (tmp_path / "a.fits.zst.json").write_text(json.dumps(CARDS))
    assert _read(tmp_path, "a.fits.zst", b"whatever", rules)["proposal_id"] == "PROP-1"
    assert "isn't a PNG picture" in _refusal(tmp_path, "a.preview.png", b"whatever", rules)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"%PDF", "isn't a PDF"),
        (b"\xff\xd8\xff", "isn't a PDF"),
        (b" %PDF-1.4", "isn't a PDF"),
    ],
)
def test_the_content_is_checked(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.pdf.json").write_text(json.dumps(CARDS))
    assert reason in _refusal(tmp_path, "a.pdf", content)


def test_a_description_that_isnt_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pdf.json")
    assert _refusal(tmp_path, "a.pdf", real(PDF)) == "a.pdf.json isn't a regular file."
    (tmp_path / "b.pdf.json").mkdir()
    assert "b.pdf.json" in _refusal(tmp_path, "b.pdf", real(PDF))
    (tmp_path / "c.pdf.json").symlink_to("c.pdf.json")
    assert "c.pdf.json can't be read" in _refusal(tmp_path, "c.pdf", real(PDF))


def test_an_enormous_description_is_given_up_at_once(tmp_path: Path) -> None:
    with (tmp_path / "a.pdf.json").open("wb") as file:
        file.write(b'{"OBJECT": "')
        file.truncate(100 << 30)
    started = time.monotonic()
    assert "has more than 1,048,576 bytes" in _refusal(tmp_path, "a.pdf", real(PDF))
    assert time.monotonic() - started < 1


def test_a_name_with_no_room_for_the_description(tmp_path: Path) -> None:
    name = f"{'x' * 250}.pdf"
    assert "put its cards" in _refusal(tmp_path, name, real(PDF))


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        (b"{}", {}),
        (
            b'{"A": 1, "B": 1.5, "C": "x", "D": true, "E": null}',
            {"A": 1, "B": 1.5, "C": "x", "D": True, "E": None},
        ),
        ('{"Ω": "é"}'.encode(), {"Ω": "é"}),
        (b"\xef\xbb\xbf {}", {}),
    ],
)
def test_json_cards(text: bytes, cards: dict[str, Any]) -> None:
    assert parse_json_cards(text, "It") == cards


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "isn't a JSON object"),
        (b"[]", 'such as {"OBJECT": "M 31"}'),
        (b'{"A": NaN}', "NaN isn't a number that JSON has"),
        (b'{"A": -1e999}', "-1e999 isn't a number"),
        (b'{"A": 1' + b"0" * 5000 + b"}", "more than 70 digits"),
        (b'{"A": 1, "B": 2, "A": 1}', "A is in it twice"),
        (b'{"A": {"B": 1}}', "A needs a single value"),
        (b'{"A": [1]}', "A needs a single value"),
        (b'{"A": ' + b"[" * 500_000, "nested too deep"),
        (b'{"A": "\\u0000"}', "A has control characters"),
        (b'{"A": "\\ud800"}', "A has control characters"),
        (b'{"": 1}', "whose name, empty,"),
        (b'{"\\n": 1}', "isn't 1 to 80 printable characters"),
        (b'{"A": "\xff"}', "isn't UTF-8"),
        (b" " * (1 << 20) + b"{}", "more than 1,048,576 bytes"),
    ],
)
def test_json_that_isnt_cards(text: bytes, reason: str) -> None:
    with pytest.raises(FitsError) as refused:
        parse_json_cards(text, "It")
    said = str(refused.value)
    assert said.startswith("It")
    assert reason in said
    assert said.endswith(".")
    assert said.isprintable()
    assert len(said) < 400


def test_how_many_bytes_of_json_may_be_told() -> None:
    with pytest.raises(FitsError, match="more than 5 bytes"):
        parse_json_cards(b'{"A": 1}', "It", most=5)
