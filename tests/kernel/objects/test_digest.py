"""Checksums against published vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.kernel.objects import Checksums, Digest
from tests.kernel.objects.streams import sums

EMPTY = Checksums(
    0,
    0,
    "d41d8cd98f00b204e9800998ecf8427e",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
)
# RFC 1321, FIPS 180-4; the check value of CRC-32 is for "123456789"
ABC = Checksums(
    3,
    0x352441C2,
    "900150983cd24fb0d6963f7d28e17f72",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
)


@pytest.mark.parametrize(("content", "expected"), [(b"", EMPTY), (b"abc", ABC)])
def test_known_checksums(content: bytes, expected: Checksums) -> None:
    digest = Digest()
    digest.feed(content)
    assert digest.result() == expected


def test_crc_check_value() -> None:
    digest = Digest()
    digest.feed(b"123456789")
    assert digest.result().crc32 == 0xCBF43926


@given(st.lists(st.binary(max_size=100)))
def test_pieces_make_no_difference(pieces: list[bytes]) -> None:
    digest = Digest()
    for piece in pieces:
        digest.feed(piece)
    assert digest.result() == sums(b"".join(pieces))
