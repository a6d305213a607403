"""Checksums in headers: Repr-Digest and Content-Digest (RFC 9530), and Content-MD5 (RFC 1864)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.types import Scope

from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.web.headers import Headers

__all__ = ["Claim", "read_claims", "require_claims"]

SIZES = {"sha-256": 32, "md5": 16}
"""The algorithms that are checked, and how many bytes they give."""
DIGESTS = {b"repr-digest": "Repr-Digest", b"content-digest": "Content-Digest"}
# A structured field (RFC 8941): a dictionary of byte sequences, which may have parameters.
KEY = r"[a-z*][a-z0-9_.*-]*"
BARE = r"""(?:[A-Za-z*][\w:/!#$%&'*+.^`|~-]*|-?[0-9]+(?:\.[0-9]+)?|"(?:[^"\\]|\\["\\])*"|\?[01])"""
MEMBER = re.compile(rf"({KEY})=:([A-Za-z0-9+/]*=*):(?:;[ ]*{KEY}(?:={BARE})?)*", re.ASCII)
BETWEEN = re.compile(r"\Z|[ \t]*,[ \t]*(?!\Z)")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a header says of the body: the digest by one algorithm."""

    header: str
    algorithm: str
    digest: bytes


def read_claims(scope: Scope) -> tuple[Claim, ...]:
    """Read what a request's headers say of its body; algorithms that aren't known here are left out.

    Raises InvalidInput for a header that can't be read.
    """
    headers: Headers = scope["headers"]
    return (*_digests(headers), *_content_md5(headers))


def _digests(headers: Headers) -> Iterator[Claim]:
    for raw, name in DIGESTS.items():
        lines = [value.decode("latin-1").strip() for key, value in headers if key == raw]
        # Of one key that comes twice, the last counts.
        for algorithm, digest in dict(_members(", ".join(filter(None, lines)), name)).items():
            if algorithm in SIZES:
                padding = "=" * (-len(digest) % 4)
                yield Claim(name, algorithm, _decoded(digest + padding, algorithm, name))


def _members(text: str, name: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        member = MEMBER.match(text, at)
        if member is None or not (rest := BETWEEN.match(text, member.end())):
            raise InvalidInput(
                f"The header {name} can't be read; it is written as in sha-256=:BASE64:.", where=name
            )
        yield member[1], member[2]
        at = rest.end()


def _content_md5(headers: Headers) -> Iterator[Claim]:
    for key, value in headers:
        if key == b"content-md5":
            yield Claim("Content-MD5", "md5", _decoded(value.decode("latin-1"), "md5", "Content-MD5"))


def _decoded(text: str, algorithm: str, name: str) -> bytes:
    try:
        digest = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != SIZES[algorithm]:
        raise InvalidInput(
            f"The {algorithm} in the header {name} must be {SIZES[algorithm]} bytes in Base64.", where=name
        )
    return digest


def require_claims(claims: Sequence[Claim], digests: Mapping[str, bytes]) -> None:
    """Raise InvalidInput, with both values, if what arrived isn't what was claimed."""
    for claim in claims:
        arrived = digests[claim.algorithm]
        if claim.digest != arrived:
            raise InvalidInput(
                f"The bytes that arrived have the {claim.algorithm} {_base64(arrived)}, and not "
                f"{_base64(claim.digest)} as the header {claim.header} says; send the file again.",
                where=claim.header,
            )


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
