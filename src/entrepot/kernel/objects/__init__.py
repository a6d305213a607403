"""The object store: one asynchronous door over a folder, an S3 bucket and memory."""

from entrepot.kernel.objects.digest import Digest
from entrepot.kernel.objects.errors import (
    ChecksumMismatch,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    ObjectOutside,
)
from entrepot.kernel.objects.models import Checksums, S3Options, Stat, Stored, Whole
from entrepot.kernel.objects.opening import open_store
from entrepot.kernel.objects.outside import Outside
from entrepot.kernel.objects.pieces import PIECE, regrouped
from entrepot.kernel.objects.spool import Spool, SpoolFile
from entrepot.kernel.objects.store import ObjectStore, OpenObject
from entrepot.kernel.objects.writer import FolderWriter

__all__ = [
    "PIECE",
    "ChecksumMismatch",
    "Checksums",
    "Digest",
    "FolderWriter",
    "ObjectChanged",
    "ObjectExists",
    "ObjectMissing",
    "ObjectOutside",
    "ObjectStore",
    "OpenObject",
    "Outside",
    "S3Options",
    "Spool",
    "SpoolFile",
    "Stat",
    "Stored",
    "Whole",
    "open_store",
    "regrouped",
]
