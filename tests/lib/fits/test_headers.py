"""Reading the headers of FITS files, good, bad and compressed; astropy is the judge."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from entrepot.lib.fits import FitsError, read_headers
from tests.services.frames import frames_folder


def by_astropy(path: Path) -> list[dict[str, object]]:
    """What astropy makes of a file, with what isn't wanted left out."""
    left_out = ("", "COMMENT", "HISTORY")
    with fits.open(path) as hdus:
        return [{k: hdu.header[k] for k in hdu.header if k not in left_out} for hdu in hdus]


def raw_header(*cards: str) -> bytes:
    """A header of cards just as they are written here."""
    first = (
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
    )
    text = b"".join(card.encode("utf-8").ljust(80) for card in (*first, *cards, "END"))
    return text.ljust(-(-len(text) // 2880) * 2880)


def write(folder: Path, data: bytes, name: str = "frame.fits") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def as_bytes(*hdus) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def test_real_frames_read_as_astropy_reads_them():
    for path in frames_folder().glob("*.fits*"):
        ours, theirs = read_headers(path), by_astropy(path)
        for header in (*ours, *theirs):
            header.pop("BZERO", None)  # astropy drops an offset of 0 of a compressed image
        theirs = [
            {k: None if isinstance(v, fits.card.Undefined) else v for k, v in h.items()} for h in theirs
        ]
        assert ours == theirs, path.name


def test_a_compressed_real_frame_has_the_header_of_the_plain_one():
    plain, packed = (
        read_headers(frames_folder() / f"coj1m011-kb05-20150219-0125-e90.fits{end}")[-1]
        for end in ("", ".fz")
    )
    differing = {key for key in plain.keys() | packed.keys() if plain.get(key) != packed.get(key)}
    assert differing <= {"EXTEND", "CHECKSUM", "DATASUM", "ZDITHER0"}
    assert list(packed)[:5] == ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2"]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_2"])
def test_a_tile_compressed_image_has_the_header_that_astropy_restores(tmp_path, dtype, compression):
    header = fits.Header(
        [("TELID", "1m0a"), ("TTYPEX", 1), ("ZENITH", 3.5), ("EXTNAME", "SCI"), ("CRPIX1", 2.0)]
    )
    header.add_comment("left out")
    data = np.arange(30 * 20).reshape(30, 20).astype(dtype)
    hdu = fits.CompImageHDU(data, header, compression_type=compression)
    path = write(tmp_path, as_bytes(fits.PrimaryHDU(), hdu), "frame.fits.fz")
    primary, image = read_headers(path)
    assert image == by_astropy(path)[1]
    assert (image["XTENSION"], image["NAXIS1"], image["NAXIS2"]) == ("IMAGE", 20, 30)
    assert primary["NAXIS"] == 0


def test_every_extension_has_its_header(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("x", "PJ()", array=[np.arange(5), np.arange(9)])])
    image = fits.ImageHDU(np.zeros((3, 4, 5), "f4"), name="SCI")
    path = write(tmp_path, as_bytes(fits.PrimaryHDU(np.zeros((7, 3), "i2")), image, table, fits.ImageHDU()))
    headers = read_headers(path)
    assert headers == by_astropy(path)
    assert [header.get("EXTNAME") for header in headers] == [None, "SCI", None, None]


def test_random_groups_are_passed_over(tmp_path):
    cards = ("NAXIS1  = 0", "NAXIS2  = 500", "GROUPS  = T", "PCOUNT  = 3", "GCOUNT  = 7")
    header = raw_header(*cards).replace(b"    0", b"    2", 1)
    image = as_bytes(fits.PrimaryHDU(), fits.ImageHDU(np.ones((2, 2)), name="LAST"))[2880:]
    path = write(tmp_path, header + bytes(7 * 503).ljust(5760, b"\0") + image)
    assert read_headers(path)[1]["EXTNAME"] == "LAST"


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("KEY     = 'text    '           / comment", "text"),
        ("KEY     = 'O''Neill / ''x'''   / it's", "O'Neill / 'x'"),
        ("KEY     = '  leading'", "  leading"),
        ("KEY     = ''", ""),
        ("KEY     = '        '", ""),
        ("KEY     =                    T / yes", True),
        ("KEY     = F", False),
        ("KEY     =                  -42", -42),
        ("KEY     = 007", 7),
        ("KEY     = 123456789012345678901234567890", 123456789012345678901234567890),
        ("KEY     =               1.5E-3 / float", 1.5e-3),
        ("KEY     = 1.D2", 100.0),
        ("KEY     = -.5d+1", -5.0),
        ("KEY     = +3.", 3.0),
        ("KEY     =1.25/tight", 1.25),
        ("KEY     =                      / undefined", None),
        ("KEY     =", None),
        ("KEY     = NaN", None),
        ("KEY     = inf", None),
        ("KEY     = 1E999", None),
        ("KEY     = -1.0E+400", None),
        ("KEY     = (1.0, -2.5)", "(1.0, -2.5)"),
        ("KEY     = 'never closed", None),
        ("KEY     = 12:30:01", None),
        ("KEY     = 1.5 seconds", None),
        ("KEY     = t", None),
        ("KEY     = 1e", None),
        ("KEY     = ?", None),
        ("key     = 5", 5),
        ("KEY     = 'Ω Cen'", "Ω Cen"),
        ("KEY     = 'a\tb\x00c\x07d\x7f'", "a b c?d?"),
        ("KEY     = 'ends in &'", "ends in &"),
    ],
)
def test_the_value_of_a_card(tmp_path, card, value):
    headers = read_headers(write(tmp_path, raw_header(card, "AFTER   = 1")))
    assert len(headers) == 1
    result = headers[0]["KEY"]
    assert (type(result), result) == (type(value), value)
    assert headers[0]["AFTER"] == 1


def test_text_in_latin_1_is_kept(tmp_path):
    data = raw_header("KEY     = 'M#nchen #'").replace(b"#", b"\xfc", 1).replace(b"#", b"\x81")
    assert read_headers(write(tmp_path, data))[0]["KEY"] == "München ?"


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        (["COMMENT = 'no value'", "HISTORY = 1", "        = 5", "        blank", "NOTE a=b", ""], {}),
        (["TWICE   = 1", "TWICE   = 2"], {"TWICE": 1}),
        (["HIERARCH ESO TEL ALT = 45.5 / degrees", "HIERARCH nothing"], {"ESO TEL ALT": 45.5}),
        (["HIERARCH  Eso  x='a=b'"], {"ESO  X": "a=b"}),
        (["LONG    = 'one &'", "CONTINUE  'two &' / c", "CONTINUE  '& three'"], {"LONG": "one two & three"}),
        (["LONG    = 'one&'", "CONTINUE  / no text", "NEXT    = 2"], {"LONG": "one", "NEXT": 2}),
        (["LONG    = 'one'", "CONTINUE  'stray'", "CONTINUE"], {"LONG": "one"}),
        (["CONTINUE  'first'", "NUMBER  = 3", "CONTINUE  'stray'"], {"NUMBER": 3}),
        (["A       = 'x&'", "B       = 'y'"], {"A": "x&", "B": "y"}),
    ],
)
def test_cards_that_are_more_or_less_than_a_value(tmp_path, cards, expected):
    header = read_headers(write(tmp_path, raw_header(*cards)))[0]
    assert {key: header[key] for key in header if key not in ("SIMPLE", "BITPIX", "NAXIS")} == expected


ascii_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
values = st.one_of(
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False),
    ascii_text,
)


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,5}[A-Z]", fullmatch=True), values, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_astropy_writes_is_read_as_astropy_reads_it(tmp_path, cards):
    cards = {f"X{key}"[:8]: value for key, value in cards.items()}
    assume("'/" not in "".join(map(str, cards.values())))  # astropy reads these other than it wrote them
    path = tmp_path / "written.fits"
    fits.PrimaryHDU(header=fits.Header(list(cards.items()))).writeto(path, overwrite=True)
    assert read_headers(path) == by_astropy(path)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damaged_files_are_read_or_refused(tmp_path, data):
    whole = as_bytes(fits.PrimaryHDU(), fits.ImageHDU(np.zeros((4, 4), "i2"), name="SCI"))
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if broken:
            broken[data.draw(st.integers(0, min(len(broken), 700) - 1))] = data.draw(st.integers(0, 255))
    path, refusal = write(tmp_path, bytes(broken)), ""
    try:
        headers = read_headers(path, truncated_ok=data.draw(st.booleans()))
    except FitsError as refused:
        headers, refusal = [], str(refused)
    assert refusal.startswith("frame.fits") or 1 <= len(headers) <= 2


PLAIN = as_bytes(fits.PrimaryHDU(np.zeros((100, 100), "i2")), fits.ImageHDU(np.zeros((100, 100), "i2")))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "frame.fits isn't a FITS file: it is empty."),
        (b"SIMP", "isn't a FITS file"),
        (b"%PDF-1.5" + b"x" * 10_000, "frame.fits isn't a FITS file: it doesn't begin with a SIMPLE card."),
        (b"\0" * 5760, "isn't a FITS file"),
        (b"XTENSION= 'IMAGE   '".ljust(2880), "isn't a FITS file"),
        (PLAIN[:300], "it ends within the header of HDU 0"),
        (
            PLAIN[:2880],
            "truncated: the data of HDU 0 should end at byte 22,880, but it ends at byte 2,880.",
        ),
        (PLAIN[:22_879], "truncated: the data of HDU 0"),
        (PLAIN[:23_100], "it ends within the header of HDU 1"),
        (PLAIN[: 23_040 + 2_880 + 19_999], "truncated: the data of HDU 1"),
        (raw_header().replace(b"END ", b"ENDE"), "it ends within the header of HDU 0"),
        (raw_header().replace(b"BITPIX", b"BITPIC"), "BITPIX and NAXIS"),
        (raw_header().replace(b"    8", b"    9"), "BITPIX and NAXIS"),
        (raw_header().replace(b"    0", b" 1000"), "BITPIX and NAXIS"),
        (raw_header().replace(b"    0", b"   -1"), "BITPIX and NAXIS"),
        (raw_header("NAXIS1  = 3").replace(b"    0", b"    2"), "NAXIS1 to NAXIS2"),
        (raw_header("NAXIS1  = -3").replace(b"    0", b"    1"), "no size be negative"),
        (raw_header("NAXIS1  = 3", "PCOUNT  = -3").replace(b"    0", b"    1"), "no size be negative"),
        (raw_header("NAXIS1  = " + "9" * 60).replace(b"    0", b"    1"), "truncated"),
    ],
)
def test_what_isnt_a_whole_fits_file_is_refused_in_one_sentence(tmp_path, data, says):
    with pytest.raises(FitsError) as refused:
        read_headers(write(tmp_path, data))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("length", "hdus"), [(2_880, 1), (22_879, 1), (23_040, 1), (23_100, 1), (26_000, 2), (len(PLAIN), 2)]
)
def test_a_file_that_ends_early_gives_its_whole_headers_if_asked(tmp_path, length, hdus):
    path = write(tmp_path, PLAIN[:length])
    assert read_headers(path, truncated_ok=True) == by_astropy(write(tmp_path, PLAIN, "whole.fits"))[:hdus]


def test_data_of_an_impossible_size_are_only_missing_data(tmp_path):
    data = raw_header("NAXIS1  = " + "9" * 60).replace(b"    0", b"    1")
    assert read_headers(write(tmp_path, data), truncated_ok=True)[0]["NAXIS1"] == int("9" * 60)


def test_even_then_the_first_header_must_be_whole(tmp_path):
    with pytest.raises(FitsError, match="header of HDU 0"):
        read_headers(write(tmp_path, PLAIN[:300]), truncated_ok=True)


def test_a_truncated_compressed_file_is_refused(tmp_path):
    whole = as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(np.random.default_rng(1).random((64, 64))))
    with pytest.raises(FitsError, match="truncated: the data of HDU 1"):
        read_headers(write(tmp_path, whole[:-2880], "frame.fits.fz"))


@pytest.mark.parametrize("after", [b"", b" " * 10, b"\0" * 2880, b"junk" * 3000])
def test_what_follows_the_last_hdu_does_no_harm(tmp_path, after):
    assert len(read_headers(write(tmp_path, PLAIN + after))) == 2


def test_the_last_block_neednt_be_filled(tmp_path):
    assert len(read_headers(write(tmp_path, PLAIN[: 23_040 + 2_880 + 20_000]))) == 2


def test_a_header_of_5000_cards(tmp_path):
    header = read_headers(write(tmp_path, raw_header(*(f"K{n:<7}= {n}" for n in range(5_000)))))[0]
    assert len(header) == 5_003
    assert header["K4999"] == 4999


def test_headers_are_read_up_to_16_mib(tmp_path):
    path = tmp_path / "frame.fits"
    with path.open("wb") as file:
        file.write(raw_header().partition(b"END ")[0])
        file.truncate(17 << 20)
    with pytest.raises(FitsError, match="more than 16,777,216 bytes"):
        read_headers(path)


def test_a_long_text_takes_time_in_proportion(tmp_path):
    pieces = ["CONTINUE  '" + "x" * 67 + "&'"] * 20_000
    started = time.perf_counter()
    header = read_headers(write(tmp_path, raw_header("LONG    = '&'", *pieces, "CONTINUE  ''")))[0]
    assert header["LONG"] == "x" * 67 * 20_000
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(("count", "fits_in"), [(999, True), (1000, False)])
def test_up_to_1000_hdus_are_read(tmp_path, count, fits_in):
    extension = raw_header().replace(b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '          ")
    path = write(tmp_path, raw_header() + extension * count)
    if fits_in:
        assert len(read_headers(path)) == 1000
    else:
        with pytest.raises(FitsError, match="more than 1,000 HDUs"):
            read_headers(path)


def test_a_name_cant_break_the_sentence(tmp_path):
    with pytest.raises(FitsError) as refused:
        read_headers(write(tmp_path, b"x", "two\nlines.fits"))
    assert str(refused.value).startswith(r"'two\nlines.fits' isn't a FITS file")


def test_a_file_that_isnt_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_headers(tmp_path / "none.fits")


def test_importing_loads_neither_astropy_nor_numpy():
    program = "import sys, entrepot.lib.fits; sys.exit(any(m in sys.modules for m in ('astropy', 'numpy')))"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
