"""The failures of the object store; the others are InvalidInput and Unavailable."""

from __future__ import annotations

from entrepot.kernel.errors import Conflict, Gone, InvalidInput, NotFound


class ObjectMissing(NotFound):
    """Nothing is stored under that path, or not that version of it."""

    code = "object_missing"


class ObjectExists(Conflict):
    """Something is stored under that path, and the put was not to replace it."""

    code = "object_exists"


class ObjectOutside(Gone):
    """The file lies below none of the folders that may be read."""

    code = "object_outside"


class ObjectChanged(Conflict):
    """The stored bytes were replaced or altered while they were being read."""

    code = "object_changed"


class ChecksumMismatch(InvalidInput):
    """The bytes that arrived are not the ones that were announced."""

    code = "checksum_mismatch"
