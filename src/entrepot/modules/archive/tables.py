"""The archive's tables; only the archive's stores write them."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    UniqueConstraint,
    column,
    event,
    false,
    table,
    text,
)  # fmt: skip

from entrepot.kernel.db import Double, Id, Text, Timestamp, metadata

__all__ = [
    "CORNERS", "SKY_BOX", "document", "frame", "piece", "relation", "sky_index", "thumbnail", "version",
]  # fmt: skip


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


CORNERS = tuple(f"{corner}{axis}" for corner in "abcd" for axis in "xyz")
"""The corners of a convex piece of a footprint, unit vectors, anticlockwise seen from outside."""
SKY_BOX = ("x0", "x1", "y0", "y1", "z0", "z1")
"""What a footprint lies within, bulge included: least and greatest x, y and z of its unit vectors."""

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
    # The footprint's convex pieces: their number, and the corners if there is but one.
    Column("sky_pieces", Integer()),
    *(Column(f"sky_{name}", Double) for name in (*CORNERS, *SKY_BOX)),
    # The observation date as the sky index has it; null for what no search of the sky finds.
    Column("sky_time", Double),
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

# Boxes of four dimensions, the fourth being time: a field that was observed 100,000 times is searched for
# its newest frames by slices of time. PostgreSQL indexes them as cubes, SQLite in an R*Tree beside the table.
_LOW, _HIGH = (", ".join(f"sky_{axis}{end}" for axis in "xyz") for end in "01")
Index(
    "ix_archive_frame_sky",
    text(f"cube(ARRAY[{_LOW}, sky_time], ARRAY[{_HIGH}, sky_time])"),
    postgresql_using="gist",
    postgresql_where=frame.c.sky_time.is_not(None),
    _table=frame,
).ddl_if(dialect="postgresql")

sky_index = table(
    "archive_sky", column("id", Id()), *(column(name, Double) for name in (*SKY_BOX, "t0", "t1"))
)
"""SQLite's R*Tree of footprints, which triggers keep as ``frame`` has them."""

_BOX = ", ".join((*SKY_BOX, "t0", "t1"))
_ENTRY = ", ".join(f"NEW.sky_{name}" for name in (*SKY_BOX, "time", "time"))
_ADD = f"INSERT INTO archive_sky VALUES (NEW.id, {_ENTRY});"  # noqa: S608 - our own names
_REMOVE = "DELETE FROM archive_sky WHERE id = OLD.id;"
SKY_INDEX_DDL = (
    f"CREATE VIRTUAL TABLE archive_sky USING rtree(id, {_BOX})",
    "CREATE TRIGGER archive_sky_added AFTER INSERT ON archive_frame "
    f"WHEN NEW.sky_time IS NOT NULL BEGIN {_ADD} END",
    "CREATE TRIGGER archive_sky_removed AFTER DELETE ON archive_frame "
    f"WHEN OLD.sky_time IS NOT NULL BEGIN {_REMOVE} END",
    "CREATE TRIGGER archive_sky_left AFTER UPDATE ON archive_frame "
    f"WHEN OLD.sky_time IS NOT NULL AND NEW.sky_time IS NULL BEGIN {_REMOVE} END",
    "CREATE TRIGGER archive_sky_moved AFTER UPDATE ON archive_frame "
    f"WHEN NEW.sky_time IS NOT NULL BEGIN {_REMOVE} {_ADD} END",
)
for _statement in SKY_INDEX_DDL:
    event.listen(frame, "after_create", DDL(_statement).execute_if(dialect="sqlite"))
event.listen(frame, "before_drop", DDL("DROP TABLE IF EXISTS archive_sky").execute_if(dialect="sqlite"))

piece = Table(
    "archive_piece",
    metadata,
    _frame_id(primary_key=True),
    Column("number", Integer(), primary_key=True),
    # A piece of what lies around the footprint, which a region that it covers must keep out of.
    Column("outside", Boolean(), nullable=False),
    *(Column(name, Double, nullable=False) for name in CORNERS),
)
"""The convex pieces of a footprint that has several."""

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

bulk = Table(
    "archive_bulk",
    metadata,
    _id(),
    Column("user_id", Id(), nullable=False),
    Column("key", Text(), nullable=False),
    Column("first_line", BigInteger(), nullable=False),
    Column("digests", Text(), nullable=False),
    Column("results", LargeBinary(), nullable=False),
    Column("created", Timestamp(), nullable=False),
    # Also what keeps two requests with one key from filing the same lines.
    UniqueConstraint("user_id", "key", "first_line"),
    sqlite_autoincrement=True,
)
"""A batch that was filed under an idempotency key: a digest of each line, and the results, compressed."""
