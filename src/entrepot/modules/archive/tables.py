"""The archive's tables; only the archive's stores write them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, ForeignKey, Index, SmallInteger, Table, false

from entrepot.kernel.db import Double, Id, Text, Timestamp, metadata

__all__ = ["document", "frame", "relation", "thumbnail", "version"]


def _text(name: str, *, unique: bool = False) -> Column[str]:
    return Column(name, Text(), nullable=False, server_default="", unique=unique)


def _id() -> Column[int]:
    return Column("id", Id(), primary_key=True, autoincrement=True)


def _frame_id(name: str = "frame_id", *, primary_key: bool = False) -> Column[int]:
    return Column(
        name,
        Id(),
        ForeignKey("archive_frame.id", ondelete="CASCADE"),
        nullable=False,
        primary_key=primary_key,
    )


frame = Table(
    "archive_frame",
    metadata,
    _id(),
    Column("basename", Text(), nullable=False, unique=True),
    # The lower-case and folded twins serve substring searches that mean the same in both databases.
    Column("basename_lower", Text(), nullable=False),
    Column("observation_date", Timestamp()),
    Column("observation_day", Date()),
    Column("public_date", Timestamp()),
    _text("proposal_id"),
    _text("instrument_id"),
    _text("target_name"),
    _text("target_lower"),
    _text("target_folded"),
    _text("site_id"),
    _text("telescope_id"),
    _text("primary_optical_element"),
    _text("configuration_type"),
    Column("reduction_level", SmallInteger(), nullable=False, server_default="0"),
    Column("exposure_time", Double),
    Column("observation_id", BigInteger()),
    Column("request_id", BigInteger()),
    _text("submitter"),
    Column("area", Text()),
    Column("has_version", Boolean(), nullable=False, server_default=false()),
    Column("revision", BigInteger(), nullable=False, server_default="0"),
    Column("created", Timestamp(), nullable=False),
    Column("modified", Timestamp(), nullable=False),
    sqlite_autoincrement=True,
)
"""One exposure or product; a row with only a basename is a placeholder that another frame names."""

_newest = (frame.c.observation_date.desc(), frame.c.id.desc())
# Who sees few of the newest frames passes over the others within these two indexes.
_sight = (frame.c.public_date, frame.c.proposal_id, frame.c.has_version)
Index("ix_archive_frame_date", *_newest, *_sight)
Index("ix_archive_frame_site", frame.c.site_id, *_newest, *_sight)
Index("ix_archive_frame_instrument", frame.c.instrument_id, *_newest)
Index("ix_archive_frame_telescope", frame.c.telescope_id, *_newest)
Index("ix_archive_frame_proposal", frame.c.proposal_id, *_newest)
Index("ix_archive_frame_filter", frame.c.primary_optical_element, *_newest)
Index("ix_archive_frame_type", frame.c.configuration_type, *_newest)
Index("ix_archive_frame_target", frame.c.target_name, *_newest)
Index("ix_archive_frame_day", frame.c.observation_day, *_newest)
Index("ix_archive_frame_observation", frame.c.observation_id)
Index("ix_archive_frame_request", frame.c.request_id)
Index("ix_archive_frame_public", frame.c.public_date)
Index("ix_archive_frame_submitter", frame.c.submitter)

document = Table(
    "archive_document",
    metadata,
    _frame_id(primary_key=True),
    Column("document", Text(), nullable=False),
    Column("headers", Text(), nullable=False),
)
"""A frame's JSON as lists give it (see ``documents.py``) and its headers; apart, so that rows stay short."""

version = Table(
    "archive_version",
    metadata,
    _id(),
    _frame_id(),
    Column("key", Text(), nullable=False, unique=True),
    Column("md5", Text(), nullable=False, unique=True),
    Column("extension", Text(), nullable=False),
    Column("path", Text(), nullable=False),
    # Which of the versions that S3 keeps under the path; null in stores without versions.
    Column("store_version", Text()),
    Column("created", Timestamp(), nullable=False),
    Column("size", BigInteger()),
    Column("crc32", BigInteger()),
    Column("sha256", Text()),
    # The store's own mark of the bytes that were checksummed.
    Column("etag", Text()),
    Column("state", Text(), nullable=False),
    Column("checked", Timestamp()),
    Column("lease", Timestamp()),
    Index("ix_archive_version_frame", "frame_id"),
    Index("ix_archive_version_path", "path"),
    sqlite_autoincrement=True,
)
"""One stored file of a frame."""

Index(
    "ix_archive_version_unchecked",
    version.c.id,
    sqlite_where=version.c.state == "unchecked",
    postgresql_where=version.c.state == "unchecked",
)

relation = Table(
    "archive_relation",
    metadata,
    _frame_id(primary_key=True),
    _frame_id("related_id", primary_key=True),
    Index("ix_archive_relation_related", "related_id"),
)
"""Frames that belong together; each pair has two rows."""

thumbnail = Table(
    "archive_thumbnail",
    metadata,
    _id(),
    _frame_id(),
    Column("size", Text(), nullable=False),
    Column("basename", Text(), nullable=False, unique=True),
    Column("extension", Text(), nullable=False),
    Column("key", Text(), nullable=False),
    Column("md5", Text(), nullable=False),
    Column("path", Text(), nullable=False),
    Column("store_version", Text()),
    Column("created", Timestamp(), nullable=False),
    Column("bytes", BigInteger()),
    Column("etag", Text()),
    Index("ix_archive_thumbnail_frame", "frame_id"),
    Index("ix_archive_thumbnail_key", "key"),
    sqlite_autoincrement=True,
)
"""A small picture of a frame."""
