"""The plain values that the object store takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Scheme = Literal["file", "s3", "memory"]


@dataclass(frozen=True, slots=True)
class Checksums:
    """What identifies some bytes: their count, and digests in lower-case hexadecimal."""

    size: int
    crc32: int
    md5: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Stat:
    """What a store says of an object without reading it.

    ``etag`` identifies the stored bytes: inode, modification time and size in a folder, the ETag
    without its quotes on S3. ``version`` is the VersionId of a versioned bucket, else None.
    """

    size: int
    etag: str
    version: str | None
    modified: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """The outcome of a put: the checksums taken on the way, and what the store now says."""

    checksums: Checksums
    stat: Stat


@dataclass(frozen=True, slots=True)
class Whole:
    """An object that is held in memory, with the checksums of its bytes."""

    path: str
    content: bytes = field(repr=False)
    checksums: Checksums


@dataclass(frozen=True, slots=True)
class S3Options:
    """How to reach an S3 store; None means: AWS itself, us-east-1, the environment's credentials."""

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
