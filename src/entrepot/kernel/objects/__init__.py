"""The object store: one asynchronous door over a folder, an S3 bucket and memory."""

from entrepot.kernel.objects.digest import Digest
from entrepot.kernel.objects.errors import ChecksumMismatch, ObjectChanged, ObjectExists, ObjectMissing
from entrepot.kernel.objects.models import Checksums, S3Options, Stat, Stored
from entrepot.kernel.objects.opening import open_store
from entrepot.kernel.objects.pieces import PIECE
from entrepot.kernel.objects.store import ObjectStore, OpenObject

__all__ = [
    "PIECE",
    "ChecksumMismatch",
    "Checksums",
    "Digest",
    "ObjectChanged",
    "ObjectExists",
    "ObjectMissing",
    "ObjectStore",
    "OpenObject",
    "S3Options",
    "Stat",
    "Stored",
    "open_store",
]
