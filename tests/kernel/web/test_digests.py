from __future__ import annotations

import base64
import hashlib

import pytest

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.web.digests import Claim, read_claims, require_claims

BODY = b"a frame"
SHA = hashlib.sha256(BODY).digest()
MD5 = hashlib.md5(BODY).digest()
DIGESTS = {"sha-256": SHA, "md5": MD5}
S, M = base64.b64encode(SHA).decode(), base64.b64encode(MD5).decode()


def claims(*headers: tuple[str, str]) -> list[tuple[str, str, bytes]]:
    scope = {"headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]}
    return [(claim.header, claim.algorithm, claim.digest) for claim in read_claims(scope)]


@pytest.mark.parametrize("name", ["Repr-Digest", "Content-Digest"])
@pytest.mark.parametrize(
    ("value", "algorithms"),
    [
        (f"sha-256=:{S}:", ["sha-256"]),
        (f"md5=:{M}:", ["md5"]),
        (f"  sha-256=:{S}: ,\tmd5=:{M}: ", ["sha-256", "md5"]),
        (f"sha-256=:{S.rstrip('=')}:", ["sha-256"]),
        (f'sha-256=:{S}:;q=1.5;a="x \\" y, z";b=?0; c;d=tok/en', ["sha-256"]),
        (f"sha-512=:{M}:, sha-256=:{S}:", ["sha-256"]),
        ("unixsum=:AAAA:, x*-._9=::", []),
        (f"sha-256=:AAAA:, sha-256=:{S}:", ["sha-256"]),
        ("", []),
        (" \t", []),
    ],
)
def test_digests_are_read(name, value, algorithms) -> None:
    assert claims((name, value)) == [(name, one, DIGESTS[one]) for one in algorithms]


def test_lines_of_one_header_are_one_value() -> None:
    found = claims(("Repr-Digest", f"md5=:{M}:"), ("Repr-Digest", ""), ("Repr-Digest", f"sha-256=:{S}:"))
    assert [algorithm for _, algorithm, _ in found] == ["md5", "sha-256"]


def test_all_headers_count() -> None:
    found = claims(("Content-MD5", f" {M} "), ("Content-Digest", f"md5=:{M}:"), ("Repr-Digest", f"md5=:{M}:"))
    assert {header for header, _, _ in found} == {"Content-MD5", "Content-Digest", "Repr-Digest"}
    assert claims(("Digest", "md5=x"), ("Content-Type", "image/fits")) == []


@pytest.mark.parametrize(
    "value",
    [
        "sha-256",
        "sha-256=",
        f"sha-256={S}",
        f"sha-256=:{S}",
        f"sha-256=:{S}:x",
        f"sha-256=:{S}:,",
        f",sha-256=:{S}:",
        f"sha-256=:{S}:,,md5=:{M}:",
        f"sha-256=:{S}: md5=:{M}:",
        f"SHA-256=:{S}:",
        f"sha-256=:{S}:;",
        f"sha-256=:{S}:;A",
        f"sha-256 =:{S}:",
        "sha-256=:*:",
        "sha-256=:AAAA:",
        "sha-256=::",
        f"sha-256=:{M}:",
        f"md5=:{S}:",
        f"md5=:{hashlib.md5(BODY).hexdigest()}:",
        "md5=:A:",
        f"md5=:{M}=:",
        'sha-256="abc"',
        "sha-256=(1 2)",
        "é=:AAAA:",
        "\x00",
    ],
)
@pytest.mark.parametrize("name", ["Repr-Digest", "Content-Digest"])
def test_malformed_digests_are_refused(name, value) -> None:
    with pytest.raises(InvalidInput) as failed:
        claims((name, value))
    assert name in failed.value.detail
    assert failed.value.detail.endswith(".")
    assert failed.value.detail.isprintable()


@pytest.mark.parametrize(
    "value",
    ["", "x", f":{M}:", M[:-1], f"{M}, {M}", hashlib.md5(BODY).hexdigest(), S, "é", "A===", "====", "\x00"],
)
def test_malformed_md5_is_refused(value) -> None:
    with pytest.raises(InvalidInput, match="Content-MD5 must be 16 bytes in Base64"):
        claims(("Content-MD5", value))


def test_long_headers_are_read_in_no_time() -> None:
    for value in (f"sha-256=:{S}:" + ";a" * 30_000 + "!", "a=::, " * 10_000 + "!", '"' * 60_000):
        with pytest.raises(InvalidInput):
            claims(("Repr-Digest", value))


def test_claims_that_hold() -> None:
    require_claims([Claim("Repr-Digest", name, digest) for name, digest in DIGESTS.items()], DIGESTS)
    require_claims([], DIGESTS)


def test_claims_that_do_not_hold_name_both_values() -> None:
    other = hashlib.sha256(b"another").digest()
    wrong = [Claim("Content-MD5", "md5", MD5), Claim("Content-Digest", "sha-256", other)]
    with pytest.raises(InvalidInput) as failed:
        require_claims(wrong, DIGESTS)
    for part in ("Content-Digest", "sha-256", S, base64.b64encode(other).decode()):
        assert part in failed.value.detail
