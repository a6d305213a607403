"""200 broken, lying and hostile files, made from the real frames: always the same ones.

`mutations` gives them all; each is either to be refused in one sentence or to be filed with a sound record.
"""

import json
import random
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.settings import ArchiveSettings
from tests.modules.archive.ingest_cli.holdings import CARDS
from tests.modules.archive.ingest_cli.packing import add, bomb, packed, resummed, tar, tar_with
from tests.services.frames import frames_folder

COUNT = 200
PLAIN = "coj1m011-kb05-20150219-0125-e90.fits"
TILED = "cpt1m010-kb70-20151219-0073-e10.fits.fz"
PRIMARY_TILED = "coj1m011-kb05-20150219-0125-e90.fits.fz"
PDF = "cptnrs03-fa13-20150219-0001-e92-summary.pdf"
PICTURE = "tfn0m419-sq32-20240426-0097-e91-small.jpg"
GOOD_JSON = json.dumps(CARDS).encode()

BLOCK = 2880
CARD = 80
SENTENCE = re.compile(r"[^\x00-\x1f\x7f]{10,400}", re.DOTALL)
INTERNAL = re.compile(r"Traceback|Error\b|Exception|<class|0x[0-9a-f]{8}|\b(zlib|struct|tarfile)\b")


@dataclass(frozen=True)
class Mutation:
    """A file under its name, with the description that goes with it."""

    name: str
    content: bytes
    what: str
    """What was done to it."""
    beside: bytes | None = None
    """The JSON to be put beside it, as it is."""
    sound: bool = False
    """Whether it's as good as a file can be, so that it has to be accepted."""

    def write(self, folder: Path) -> Path:
        """Write it into a folder, and what is beside it."""
        path = folder / self.name
        path.write_bytes(self.content)
        if self.beside is not None:
            path.with_name(f"{self.name}.json").write_bytes(self.beside)
        return path


def assert_is_one_sentence(reason: str) -> None:
    """Check that a refusal is one that people can read: short, printable, without our insides."""
    assert SENTENCE.fullmatch(reason), reason
    assert reason.isprintable(), ascii(reason)
    assert reason.endswith((".", "…")), reason
    assert not INTERNAL.search(reason), reason


def assert_can_be_posted(record: dict[str, object], extension: str) -> None:
    """Check that a record is one that a client could post."""
    md5 = "0" * 32
    read_frame(
        record | {"version_set": [{"key": md5, "md5": md5, "extension": extension}]}, ArchiveSettings()
    )


def mutations() -> list[Mutation]:
    """Give the 200, each under a basename of its own."""
    made = [_named(number, one) for number, one in enumerate(islice(_all(), COUNT))]
    assert len(made) == COUNT
    assert len({one.name for one in made}) == COUNT
    return made


def _named(number: int, one: Mutation) -> Mutation:
    """Give a file a name that no other has, unless its name is what is wrong with it."""
    if not one.name.startswith("."):
        return one
    return replace(one, name=f"m{number:03}-kb05-20150219-0125-e90{one.name}")


def _all() -> Iterator[Mutation]:
    yield from _sound()
    yield from _names()
    yield from _described()
    yield from _tars()
    yield from _gzips()
    yield from _cards()
    yield from _sizes()
    yield from _hdus()
    yield from _truncated()
    yield from _flipped()


def real(name: str) -> bytes:
    """Give a real frame's bytes."""
    return (frames_folder() / name).read_bytes()


def _sound() -> Iterator[Mutation]:
    plain, tiled = real(PLAIN), real(TILED)
    yield Mutation(".fits", plain, "nothing", sound=True)
    yield Mutation(".fits.fz", tiled, "nothing", sound=True)
    yield Mutation(".fits.gz", packed(plain), "packed", sound=True)
    yield Mutation(".fits.gz", packed(plain[:50_000]) + packed(plain[50_000:]), "in two members", sound=True)
    yield Mutation(".tar.gz", packed(tar(("a/x.fits", plain))), "in a tar", sound=True)
    yield Mutation(".tgz", packed(tar(("x.fits.fz", tiled), ("y.txt", b"y"))), "in a tar", sound=True)
    yield Mutation(".tar", tar(("x.fits.gz", packed(plain))), "packed in a tar", sound=True)
    yield Mutation(".pdf", real(PDF), "described", GOOD_JSON, sound=True)
    yield Mutation(".jpg", real(PICTURE), "described", GOOD_JSON, sound=True)


# Names ---------------------------------------------------------------------------------------------


def _names() -> Iterator[Mutation]:
    plain = real(PLAIN)
    names = (
        "n1.FITS", "n2.fits.", "n3.v2.fits", "n4", "n5.fits.gz.gz", "-rf.fits", "n7\n.7.fits",
        "n8\x1b[31m.fits", "n9\u202egpj.fits", "n10\\..\\x.fits", "n11%2F..%2Fx.fits", "n12\udcff.fits",
        "n13'; DROP TABLE frame.fits",
        "n14" + "x" * 240 + ".fits", "n15\u2028z.fits", "n16" + "é" * 115 + ".fits",
    )  # fmt: skip
    for number, name in enumerate(names):
        yield Mutation(name, plain + bytes([number]), "a bad name")


# Files that are described beside -------------------------------------------------------------------


def _described() -> Iterator[Mutation]:
    pdf, picture = real(PDF), real(PICTURE)
    for extension, content in ((".pdf", pdf), (".jpg", picture)):
        yield Mutation(extension, content, "without a description")
        yield Mutation(extension, b"", "empty", GOOD_JSON)
        yield Mutation(extension, content[:3], "truncated", GOOD_JSON)
        yield Mutation(extension, content[: len(content) // 2], "truncated", GOOD_JSON)
    yield Mutation(".pdf", picture, "a picture", GOOD_JSON)
    yield Mutation(".jpeg", pdf, "a PDF", GOOD_JSON)
    yield Mutation(".png", picture, "another picture", GOOD_JSON)
    yield Mutation(".gif", b"<script>alert(1)</script>", "a script", GOOD_JSON)
    good = GOOD_JSON.decode()
    texts: tuple[tuple[str, bytes], ...] = (
        ("empty", b""),
        ("no object", b"[]"),
        ("null", b"null"),
        ("NaN", good.replace("30.0", "NaN").encode()),
        ("too large", good.replace("30.0", "1e999").encode()),
        ("too long", good.replace("30.0", "9" * 100_000).encode()),
        ("twice", good.replace("{", '{"PROPID": "other", ', 1).encode()),
        ("deep", b'{"OBJECT":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        ("a list", good.replace("30.0", "[30.0]").encode()),
        ("not UTF-8", good.encode().replace(b"M 31", b"M\xff31")),
        ("UTF-16", good.encode("utf-16")),
        ("with a mark", good.encode("utf-8-sig")),
        ("NUL", good.replace("M 31", r"M\u000031").encode()),
        ("lone surrogate", good.replace("M 31", r"M\ud80031").encode()),
        ("long key", good.replace("{", '{"' + "K" * 5000 + '": 1, ', 1).encode()),
        ("cut off", good.encode()[:-5]),
        ("over a mebibyte", good.replace("M 31", "M" * (1 << 20)).encode()),
        ("lacking", b'{"PROPID": "x", "OBSTYPE": "EXPOSE"}'),
        ("no date", good.replace('"2025-03-04T05:06:07.890"', "null").encode()),
        ("wrong types", good.replace('"ogg"', "true").encode()),
        ("climbing site", good.replace('"ogg"', '"../"').encode()),
        ("script", good.replace("M 31", "<script>alert(1)</script>").encode()),
    )
    for number, (what, text) in enumerate(texts):
        yield Mutation(".pdf", pdf + b"%" + bytes([65 + number]), f"description: {what}", text)


# Tars ----------------------------------------------------------------------------------------------


def _tars() -> Iterator[Mutation]:
    plain = real(PLAIN)
    whole = tar(("x.fits", plain), kind=tarfile.USTAR_FORMAT)
    for cut in (0, 511, 512, 512 + 2881, 512 + len(plain)):
        yield Mutation(".tar.gz", packed(whole[:cut]), f"truncated at {cut}")
    for cut in (1, 513, 512 + len(plain) - 1):
        yield Mutation(".tar", whole[:cut], f"truncated at {cut}")
    for what, start, field in (
        ("a size of 8 GiB", 124, b"77777777777\0"),
        ("a size in base 256", 124, b"\x80" + b"\x7f" * 11),
        ("a negative size", 124, b"\xff" * 12),
        ("a size that is text", 124, b"-1\0         "),
        ("a size of 0", 124, b"00000000000\0"),
        ("a device", 156, b"3"),
        ("a folder", 156, b"5"),
        ("sparse", 156, b"S"),
        ("an unknown kind", 156, b"?"),
        ("a pax header", 156, b"x"),
        ("a long name", 156, b"L"),
        ("an absolute name", 0, b"/etc/x.fits"),
        ("a climbing name", 0, b"../../x.fits"),
        ("a name of other bytes", 0, b"\xff\xfe\x01.fits"),
    ):
        yield Mutation(".tar", resummed(whole, start, field), f"first member: {what}")
    yield Mutation(".tar", resummed(whole, 0, b"y.fits")[:148] + b"0" * 8 + whole[156:], "a wrong sum")
    yield Mutation(".tar.gz", packed(tar(("x.txt", b"x"))), "no FITS inside")
    yield Mutation(".tar.gz", packed(tar(("x.fits", b"hello"))), "a false FITS inside")
    yield Mutation(".tar.gz", packed(tar(("x.fits", plain[:-5000]))), "a truncated FITS inside")
    yield Mutation(".tar.gz", packed(tar(("inner.tar", tar(("x.fits", plain))))), "a tar in a tar")
    yield Mutation(".tar.gz", packed(packed(whole)), "packed twice")
    yield Mutation(".tar", tar(("x.fits.gz", bomb_of_a_frame())), "a bomb inside")
    yield Mutation(".tar.gz", packed(tar(("x.fits.gz", bomb_of_a_frame()))), "a bomb in a packed tar")
    yield Mutation(".tar.gz", packed(tar((f"{'d/' * 2000}x.fits", plain))), "a long path")
    yield Mutation(".tar.gz", _pax_bomb(), "a pax header of 3 GB")
    yield Mutation(".tar.gz", packed(tar_with(_links)), "links alone")
    yield Mutation(".tar.gz", packed(tar_with(_many)), "2,000 members before the frame")
    yield Mutation(".tar.gz", whole, "not packed")
    yield Mutation(".tar", packed(whole), "packed")
    yield Mutation(".tar", plain, "a FITS file")
    broken = resummed(resummed(tarfile.TarInfo("x").tobuf(), 156, b"x"), 124, b"00000000006\0")
    yield Mutation(".tar", broken + b"9 a=b\n".ljust(512, b"\0") + whole, "a broken pax header")


def _links(made: tarfile.TarFile) -> None:
    add(made, "x.fits", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    add(made, "y.fits", type=tarfile.LNKTYPE, linkname="../x.fits")


def _many(made: tarfile.TarFile) -> None:
    for number in range(2_000):
        add(made, f"{number}.txt")
    add(made, "x.fits", real(PLAIN))


def _pax_bomb() -> bytes:
    header = resummed(tarfile.TarInfo("pax").tobuf(), 156, b"x")
    return packed(resummed(header, 124, b"%011o\0" % (3 << 30))) + bomb()


# Gzip ----------------------------------------------------------------------------------------------


def bomb_of_a_frame() -> bytes:
    """Give a frame of 8 TB that is packed well, as far as it goes."""
    return packed(_sized("NAXIS2", 10**9)) + bomb()


def _gzips() -> Iterator[Mutation]:
    plain = real(PLAIN)
    whole = packed(plain)
    for cut in (0, 1, 9, 10, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        yield Mutation(".fits.gz", whole[:cut], f"truncated at {cut}")
    yield Mutation(".fits.gz", whole[:-8] + b"\0\0\0\0" + whole[-4:], "a wrong sum")
    yield Mutation(".fits.gz", whole[:-4] + b"\xff\xff\xff\xff", "a wrong length")
    yield Mutation(".fits.gz", whole + b"garbage", "garbage behind")
    yield Mutation(".fits.gz", whole + bytes(5000), "filled up")
    yield Mutation(".fits.gz", whole + whole[:20], "another member that is cut off")
    yield Mutation(".fits.gz", packed(b"") * 5000 + whole, "5,000 empty members before")
    yield Mutation(".fits.gz", packed(whole), "packed twice")
    yield Mutation(".fits.gz", packed(plain[:-2880]), "a truncated frame")
    yield Mutation(".fits.gz", packed(b""), "nothing inside")
    yield Mutation(".fits.gz", plain, "not packed")
    yield Mutation(".fits", whole, "packed")
    yield Mutation(".fits.fz", whole, "packed")
    yield Mutation(".fits.gz", b"BZh9" + whole[4:], "another magic")
    yield Mutation(".fits.gz", bomb(), "a bomb")
    yield Mutation(".fits.gz", bomb_of_a_frame(), "a bomb behind a header")
    yield Mutation(".fits.gz", b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 300_000, "a name without end")


# Headers -------------------------------------------------------------------------------------------


def _header_end(frame: bytes) -> int:
    """Give the length of the first header."""
    end = next(at for at in range(0, len(frame), CARD) if frame[at : at + 8] == b"END     ")
    return -(-(end + CARD) // BLOCK) * BLOCK


def _card(keyword: str, value: str) -> bytes:
    return f"{keyword:<8}= {value:>20}".encode("latin-1").ljust(CARD)[:CARD]


def _changed(keyword: str, card: bytes) -> bytes:
    """Put another card in the place of one of the plain frame, or add it."""
    frame = real(PLAIN)
    cards = (at for at in range(0, len(frame), CARD) if frame[at : at + 8] == f"{keyword:<8}".encode())
    at = next(cards, None)
    if at is None:
        return _inserted(card)
    return frame[:at] + card + frame[at + CARD :]


def _sized(keyword: str, size: object) -> bytes:
    return _changed(keyword, _card(keyword, str(size)))


def _inserted(cards: bytes) -> bytes:
    """Put cards behind the third of the plain frame, the header filled up anew."""
    frame = real(PLAIN)
    length = _header_end(frame)
    header = frame[: CARD * 5] + cards + frame[CARD * 5 : length].rstrip(b" ").ljust(CARD)
    end = header.rindex(b"END")
    return header[: end + 3].ljust(-(-(end + CARD) // BLOCK) * BLOCK) + frame[length:]


def _cards() -> Iterator[Mutation]:
    for keyword, value in (
        ("SITEID", "'../'"), ("INSTRUME", "'a/../../b'"), ("TELID", "'\x01\x02'"),
        ("DATE-OBS", "'yesterday'"), ("DATE-OBS", "20150219"), ("DATE-OBS", "'9999-99-99T99:99:99'"),
        ("OBSTYPE", "T"), ("BLKUID", "1E400"), ("BLKUID", "9" * 60), ("RLEVEL", "'high'"),
        ("CRVAL1", "1E308"), ("CRPIX1", "-1E300"), ("OBJECT", "'\xff\xfe\x80'"),
    ):  # fmt: skip
        yield Mutation(".fits", _changed(keyword, _card(keyword, value)), f"{keyword} = {value!a}")
    lying = _card("LONG", "'" + "a" * 60 + "&'") + b"CONTINUE  'b&'".ljust(CARD) * 2000
    yield Mutation(".fits", _inserted(lying), "2,000 cards that continue")
    yield Mutation(".fits", _inserted(b"CONTINUE  'never begun&'".ljust(CARD) * 100), "nothing to continue")
    yield Mutation(".fits", _inserted(bytes(CARD) * 36), "cards of NUL")
    yield Mutation(".fits", _inserted(b"\xff" * CARD * 36), "cards of 0xFF")
    yield Mutation(".fits", _inserted(b"HIERARCH " + b"=" * 71), "a hierarchy of nothing")
    yield Mutation(".fits", _inserted(_card("X" * 8, "'" * 60)), "quotes alone")


def _sizes() -> Iterator[Mutation]:
    for keyword, size in (
        ("NAXIS1", 10**15), ("NAXIS2", 10**65), ("NAXIS1", -1), ("NAXIS1", 0), ("NAXIS2", "'12'"),
        ("NAXIS", 999), ("NAXIS", 1000), ("NAXIS", 0), ("BITPIX", 7), ("BITPIX", -64),
    ):  # fmt: skip
        yield Mutation(".fits", _sized(keyword, size), f"{keyword} = {size}")
    axes = b"".join(_card(f"NAXIS{axis}", "9" * 60) for axis in range(3, 1000))
    header = b"".join((_card("SIMPLE", "T"), _card("BITPIX", "8"), _card("NAXIS", "999")))
    axes = _card("NAXIS1", "9" * 60) + _card("NAXIS2", "9" * 60) + axes
    yield Mutation(".fits", (header + axes + b"END".ljust(CARD)).ljust(BLOCK * 30), "999 enormous axes")


def _hdus() -> Iterator[Mutation]:
    plain = real(PLAIN)
    empty = b"".join((_card("XTENSION", "'IMAGE   '"), _card("BITPIX", "8"), _card("NAXIS", "0"), b"END"))
    yield Mutation(".fits", plain + empty.ljust(BLOCK) * 1200, "1,200 HDUs")
    yield Mutation(".fits", plain + b"XTENSION" + bytes(range(256)) * 20, "a garbled extension")
    yield Mutation(".fits", plain + b"XTENSION= 'IMAGE   '".ljust(BLOCK), "an extension without END")
    yield Mutation(".fits", plain[: 80 * 6] * 40_000, "a header without END")
    yield Mutation(".fits", plain[:CARD] + b"END".ljust(BLOCK - CARD), "an empty header")
    yield Mutation(".fits", b"END".ljust(BLOCK) + plain, "END first")
    yield Mutation(".fits", b"\xef\xbb\xbf" + plain, "a mark before")
    yield Mutation(".fits", real(PDF), "a PDF")


# Truncated and flipped -----------------------------------------------------------------------------


def _truncated() -> Iterator[Mutation]:
    for name, extension in ((PLAIN, ".fits"), (TILED, ".fits.fz")):
        frame = real(name)
        header = _header_end(frame)
        for cut in (0, 1, 9, CARD, BLOCK - 1, header - CARD, header, header + 1, len(frame) - 1):
            yield Mutation(extension, frame[:cut], f"truncated at {cut}")


def _flipped() -> Iterator[Mutation]:
    """Flip some bits in headers, as often as it is asked for."""
    for seed in range(COUNT):
        chance = random.Random(seed)
        name, extension = chance.choice(((PLAIN, ".fits"), (TILED, ".fits.fz"), (PRIMARY_TILED, ".fits.fz")))
        frame = bytearray(real(name))
        for _ in range(chance.choice((1, 3, 30, 300))):
            frame[chance.randrange(min(len(frame), 3 * BLOCK))] ^= 1 << chance.randrange(8)
        wrap = seed % 3 if extension == ".fits" else 0
        if wrap == 1:
            yield Mutation(".fits.gz", packed(bytes(frame)), f"flipped bits, seed {seed}, packed")
        elif wrap == 2:
            yield Mutation(
                ".tar.gz", packed(tar(("x.fits", bytes(frame)))), f"flipped, seed {seed}, in a tar"
            )
        else:
            yield Mutation(extension, bytes(frame), f"flipped bits, seed {seed}")
