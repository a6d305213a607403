"""The catalogue: one query language over SQLite and PostgreSQL."""

from entrepot.kernel.db.database import Database, Duplicate, ReadSession, WriteSession
from entrepot.kernel.db.prepared import Prepared, named
from entrepot.kernel.db.rows import RowSource, WriteRows, among, insert_rows, values_among
from entrepot.kernel.db.schema import SchemaState, migrate, prepare
from entrepot.kernel.db.types import AnyRow, AnySelect, Double, Id, Text, Timestamp, metadata, next_id

__all__ = [
    "AnyRow",
    "AnySelect",
    "Database",
    "Double",
    "Duplicate",
    "Id",
    "Prepared",
    "ReadSession",
    "RowSource",
    "SchemaState",
    "Text",
    "Timestamp",
    "WriteRows",
    "WriteSession",
    "among",
    "insert_rows",
    "metadata",
    "migrate",
    "named",
    "next_id",
    "prepare",
    "values_among",
]
