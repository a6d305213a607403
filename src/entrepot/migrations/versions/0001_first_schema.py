"""The first schema: accounts, events and the archive's frames."""

import sqlalchemy as sa
from alembic import op

from entrepot.kernel.db import Id, Text, Timestamp

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "archive_frame",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("basename", Text(), nullable=False),
        sa.Column("basename_lower", Text(), nullable=False),
        sa.Column("observation_date", Timestamp(timezone=True), nullable=True),
        sa.Column("observation_day", sa.Date(), nullable=True),
        sa.Column("public_date", Timestamp(timezone=True), nullable=True),
        sa.Column("proposal_id", Text(), server_default="", nullable=False),
        sa.Column("instrument_id", Text(), server_default="", nullable=False),
        sa.Column("target_name", Text(), server_default="", nullable=False),
        sa.Column("target_lower", Text(), server_default="", nullable=False),
        sa.Column("target_folded", Text(), server_default="", nullable=False),
        sa.Column("site_id", Text(), server_default="", nullable=False),
        sa.Column("telescope_id", Text(), server_default="", nullable=False),
        sa.Column("primary_optical_element", Text(), server_default="", nullable=False),
        sa.Column("configuration_type", Text(), server_default="", nullable=False),
        sa.Column("reduction_level", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("exposure_time", sa.Float(precision=53), nullable=True),
        sa.Column("observation_id", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.BigInteger(), nullable=True),
        sa.Column("submitter", Text(), server_default="", nullable=False),
        sa.Column("area", Text(), nullable=True),
        sa.Column("has_version", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.Column("modified", Timestamp(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_frame")),
        sa.UniqueConstraint("basename", name=op.f("uq_archive_frame_basename")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_archive_frame_date",
        "archive_frame",
        [
            sa.literal_column("observation_date DESC"),
            sa.literal_column("id DESC"),
            "public_date",
            "proposal_id",
            "has_version",
        ],
        unique=False,
    )
    op.create_index(
        "ix_archive_frame_day",
        "archive_frame",
        ["observation_day", sa.literal_column("observation_date DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_archive_frame_filter",
        "archive_frame",
        ["primary_optical_element", sa.literal_column("observation_date DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_archive_frame_instrument",
        "archive_frame",
        ["instrument_id", sa.literal_column("observation_date DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("ix_archive_frame_observation", "archive_frame", ["observation_id"], unique=False)
    op.create_index(
        "ix_archive_frame_proposal",
        "archive_frame",
        ["proposal_id", sa.literal_column("observation_date DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("ix_archive_frame_public", "archive_frame", ["public_date"], unique=False)
    op.create_index("ix_archive_frame_request", "archive_frame", ["request_id"], unique=False)
    op.create_index(
        "ix_archive_frame_site",
        "archive_frame",
        [
            "site_id",
            sa.literal_column("observation_date DESC"),
            sa.literal_column("id DESC"),
            "public_date",
            "proposal_id",
            "has_version",
        ],
        unique=False,
    )
    op.create_index("ix_archive_frame_submitter", "archive_frame", ["submitter"], unique=False)
    op.create_index(
        "ix_archive_frame_target",
        "archive_frame",
        ["target_name", sa.literal_column("observation_date DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_archive_frame_telescope",
        "archive_frame",
        ["telescope_id", sa.literal_column("observation_date DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_archive_frame_type",
        "archive_frame",
        ["configuration_type", sa.literal_column("observation_date DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "kernel_event",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("body", Text(), nullable=False),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_event")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "kernel_user",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("username", Text(), nullable=False),
        sa.Column("folded", Text(), nullable=False),
        sa.Column("password", Text(), nullable=False),
        sa.Column("role", Text(), nullable=False),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.Column("disabled", Timestamp(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('user', 'staff', 'admin')", name=op.f("ck_kernel_user_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_user")),
        sa.UniqueConstraint("folded", name=op.f("uq_kernel_user_folded")),
        sa.UniqueConstraint("username", name=op.f("uq_kernel_user_username")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "archive_document",
        sa.Column("frame_id", Id(), nullable=False),
        sa.Column("document", Text(), nullable=False),
        sa.Column("headers", Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["frame_id"], ["archive_frame.id"], name=op.f("fk_archive_document_frame_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("frame_id", name=op.f("pk_archive_document")),
    )
    op.create_table(
        "archive_relation",
        sa.Column("frame_id", Id(), nullable=False),
        sa.Column("related_id", Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["frame_id"], ["archive_frame.id"], name=op.f("fk_archive_relation_frame_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["related_id"],
            ["archive_frame.id"],
            name=op.f("fk_archive_relation_related_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("frame_id", "related_id", name=op.f("pk_archive_relation")),
    )
    op.create_index("ix_archive_relation_related", "archive_relation", ["related_id"], unique=False)
    op.create_table(
        "archive_thumbnail",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("frame_id", Id(), nullable=False),
        sa.Column("size", Text(), nullable=False),
        sa.Column("basename", Text(), nullable=False),
        sa.Column("extension", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("md5", Text(), nullable=False),
        sa.Column("path", Text(), nullable=False),
        sa.Column("store_version", Text(), nullable=True),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("etag", Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["frame_id"], ["archive_frame.id"], name=op.f("fk_archive_thumbnail_frame_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_thumbnail")),
        sa.UniqueConstraint("basename", name=op.f("uq_archive_thumbnail_basename")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_archive_thumbnail_frame", "archive_thumbnail", ["frame_id"], unique=False)
    op.create_index("ix_archive_thumbnail_key", "archive_thumbnail", ["key"], unique=False)
    op.create_table(
        "archive_version",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("frame_id", Id(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("md5", Text(), nullable=False),
        sa.Column("extension", Text(), nullable=False),
        sa.Column("path", Text(), nullable=False),
        sa.Column("store_version", Text(), nullable=True),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("crc32", sa.BigInteger(), nullable=True),
        sa.Column("sha256", Text(), nullable=True),
        sa.Column("etag", Text(), nullable=True),
        sa.Column("state", Text(), nullable=False),
        sa.Column("checked", Timestamp(timezone=True), nullable=True),
        sa.Column("lease", Timestamp(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["frame_id"], ["archive_frame.id"], name=op.f("fk_archive_version_frame_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_version")),
        sa.UniqueConstraint("key", name=op.f("uq_archive_version_key")),
        sa.UniqueConstraint("md5", name=op.f("uq_archive_version_md5")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_archive_version_frame", "archive_version", ["frame_id"], unique=False)
    op.create_index("ix_archive_version_path", "archive_version", ["path"], unique=False)
    op.create_index(
        "ix_archive_version_unchecked",
        "archive_version",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'unchecked'"),
        postgresql_where=sa.text("state = 'unchecked'"),
    )
    op.create_table(
        "kernel_membership",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("project", Text(), nullable=False),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_membership_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_membership")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_kernel_membership_project"), "kernel_membership", ["project"], unique=False)
    op.create_index(
        op.f("ix_kernel_membership_user_id_project"), "kernel_membership", ["user_id", "project"], unique=True
    )
    op.create_table(
        "kernel_token",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("name", Text(), nullable=False),
        sa.Column("digest", Text(), nullable=False),
        sa.Column("scope", Text(), nullable=False),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.Column("expires", Timestamp(timezone=True), nullable=True),
        sa.Column("last_used", Timestamp(timezone=True), nullable=True),
        sa.CheckConstraint("scope IN ('read', 'write', 'admin')", name=op.f("ck_kernel_token_scope")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["kernel_user.id"], name=op.f("fk_kernel_token_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_kernel_token_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_kernel_token_user_id"), "kernel_token", ["user_id"], unique=False)
