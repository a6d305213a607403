"""The sky: footprints in convex pieces, an index of their boxes; and what was filed in bulk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from entrepot.kernel.db import Double, Id, Text, Timestamp
from entrepot.kernel.errors import Unavailable
from entrepot.lib.sky import Cover, cover, footprint_from_geojson

revision = "0002"
down_revision = "0001"

CORNERS = tuple(f"{corner}{axis}" for corner in "abcd" for axis in "xyz")
BOX = ("x0", "x1", "y0", "y1", "z0", "z1")
COLUMNS = (*CORNERS, *BOX, "time")
AT_ONCE = 1000
MICROSECONDS_A_UNIT = 0.02 / 7300 / 86_400e6
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)

LOW, HIGH = (", ".join(f"sky_{axis}{end}" for axis in "xyz") for end in "01")
ENTRY = ", ".join(f"NEW.sky_{name}" for name in (*BOX, "time", "time"))
KEPT = ", ".join(f"sky_{name}" for name in (*BOX, "time", "time"))
ADD = f"INSERT INTO archive_sky VALUES (NEW.id, {ENTRY});"
REMOVE = "DELETE FROM archive_sky WHERE id = OLD.id;"
SQLITE = (
    f"CREATE VIRTUAL TABLE archive_sky USING rtree(id, {', '.join((*BOX, 't0', 't1'))})",
    "CREATE TRIGGER archive_sky_added AFTER INSERT ON archive_frame "
    f"WHEN NEW.sky_time IS NOT NULL BEGIN {ADD} END",
    "CREATE TRIGGER archive_sky_removed AFTER DELETE ON archive_frame "
    f"WHEN OLD.sky_time IS NOT NULL BEGIN {REMOVE} END",
    "CREATE TRIGGER archive_sky_left AFTER UPDATE ON archive_frame "
    f"WHEN OLD.sky_time IS NOT NULL AND NEW.sky_time IS NULL BEGIN {REMOVE} END",
    "CREATE TRIGGER archive_sky_moved AFTER UPDATE ON archive_frame "
    f"WHEN NEW.sky_time IS NOT NULL BEGIN {REMOVE} {ADD} END",
)
POSTGRESQL = (
    "CREATE INDEX ix_archive_frame_sky ON archive_frame USING gist "
    f"(cube(ARRAY[{LOW}, sky_time], ARRAY[{HIGH}, sky_time])) WHERE sky_time IS NOT NULL",
)

frame = sa.table(
    "archive_frame",
    sa.column("id", Id()),
    sa.column("area", sa.Text()),
    sa.column("observation_date", Timestamp(timezone=True)),
    sa.column("sky_pieces", sa.Integer()),
    *(sa.column(f"sky_{name}", Double) for name in COLUMNS),
)
piece = sa.table(
    "archive_piece",
    sa.column("frame_id", Id()),
    sa.column("number", sa.Integer()),
    sa.column("outside", sa.Boolean()),
    *(sa.column(name, Double) for name in CORNERS),
)


def upgrade() -> None:
    op.add_column("archive_frame", sa.Column("sky_pieces", sa.Integer(), nullable=True))
    for name in COLUMNS:
        op.add_column("archive_frame", sa.Column(f"sky_{name}", Double, nullable=True))
    op.create_table(
        "archive_piece",
        sa.Column("frame_id", Id(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outside", sa.Boolean(), nullable=False),
        *(sa.Column(name, Double, nullable=False) for name in CORNERS),
        sa.ForeignKeyConstraint(
            ["frame_id"],
            ["archive_frame.id"],
            name=op.f("fk_archive_piece_frame_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("frame_id", "number", name=op.f("pk_archive_piece")),
    )
    _add_bulk()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        _install_cube()
    _cut_footprints()
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        op.execute(sa.text(statement))
    if is_sqlite:
        op.execute(f"INSERT INTO archive_sky SELECT id, {KEPT} FROM archive_frame WHERE sky_time IS NOT NULL")


def _add_bulk() -> None:
    op.create_table(
        "archive_bulk",
        sa.Column("id", Id(), autoincrement=True, nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("first_line", sa.BigInteger(), nullable=False),
        sa.Column("digests", Text(), nullable=False),
        sa.Column("results", sa.LargeBinary(), nullable=False),
        sa.Column("created", Timestamp(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_bulk")),
        sa.UniqueConstraint(
            "user_id", "key", "first_line", name=op.f("uq_archive_bulk_user_id_key_first_line")
        ),
        sqlite_autoincrement=True,
    )


def _install_cube() -> None:
    try:
        op.execute(sa.text("CREATE EXTENSION IF NOT EXISTS cube"))
    except DBAPIError as error:
        raise Unavailable(
            "The catalogue needs PostgreSQL's extension cube, and this account can't install it: install the "
            "server's contrib package and have a superuser run CREATE EXTENSION cube in this database."
        ) from error


def _cut_footprints() -> None:
    """Cut the footprints that are there already; some thousand frames a second."""
    connection = op.get_bind()
    columns = ("sky_pieces", *(f"sky_{name}" for name in COLUMNS))
    change = (
        sa.update(frame)
        .where(frame.c.id == sa.bindparam("frame"))
        .values({name: sa.bindparam(name) for name in columns})
    )
    for rows in _with_areas(connection):
        covers = [(row[0], row[2], cover(footprint_from_geojson(json.loads(row[1])))) for row in rows]
        connection.execute(change, [_values(*one) for one in covers])
        pieces = [one for frame_id, _, found in covers for one in _pieces(frame_id, found)]
        if pieces:
            connection.execute(sa.insert(piece), pieces)


def _with_areas(connection: sa.Connection) -> Iterator[Sequence[sa.Row[int, str, datetime | None]]]:
    last = 0
    while True:
        found = (
            sa.select(frame.c.id, frame.c.area, frame.c.observation_date)
            .where(frame.c.id > last, frame.c.area.is_not(None))
            .order_by(frame.c.id)
            .limit(AT_ONCE)
        )
        rows = connection.execute(found).all()
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _values(frame_id: int, observed: datetime | None, found: Cover) -> dict[str, object]:
    whole = len(found.inside) == 1 and not found.outside
    corners = [value for corner in found.inside[0] for value in corner] if whole else [None] * len(CORNERS)
    box = [None] * len(BOX) if found.box is None else _sides(found)
    time = None
    if observed is not None and found.box is not None:
        time = ((observed - YEAR_2000) // timedelta(microseconds=1)) * MICROSECONDS_A_UNIT
    names = (f"sky_{name}" for name in COLUMNS)
    values = dict(zip(names, (*corners, *box, time), strict=True))
    return {"frame": frame_id, "sky_pieces": 1 if whole else _count(found), **values}


def _count(found: Cover) -> int:
    return len(found.inside) + len(found.outside)


def _sides(found: Cover) -> list[float]:
    assert found.box is not None  # noqa: S101 - asked for above
    return [side for ends in zip(found.box.low, found.box.high, strict=True) for side in ends]


def _pieces(frame_id: int, found: Cover) -> Iterator[dict[str, object]]:
    if _count(found) == 1:
        return
    for number, quad in enumerate((*found.inside, *found.outside)):
        corners = dict(zip(CORNERS, (value for corner in quad for value in corner), strict=True))
        yield {"frame_id": frame_id, "number": number, "outside": number >= len(found.inside), **corners}
