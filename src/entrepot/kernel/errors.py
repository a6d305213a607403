"""The failures that reach people.

EntrepotError
├── InvalidInput       400  something sent is wrong; ``fields`` says what, by name
├── Unauthenticated    401  the credentials are missing or not valid
├── Forbidden          403  known, but not allowed
├── NotFound           404  not there, or not for this caller to know
├── MethodNotAllowed   405  the resource doesn't take this method
├── NotAcceptable      406  no representation fits the Accept header
├── RequestTimeout     408  what was to be sent didn't come in time
├── Conflict           409  the state changed meanwhile
├── Gone               410  it was here and can't be given any more
├── PreconditionFailed 412  If-Match and its kin
├── TooLarge           413  the body is over its limit
├── UnsupportedMedia   415  the body's type isn't read here
├── RangeNotSatisfiable 416 the range lies outside
├── TooManyRequests    429  a limit was reached
├── Unavailable        503  a part that is needed doesn't answer
└── InsufficientStorage 507 there is no room for what was sent
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class EntrepotError(Exception):
    """A failure with a status, a code for programs and one sentence for people.

    ``where`` names the part of the input at fault (a parameter, field or header); ``headers`` go
    out with the answer.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(
        self, detail: str, *, where: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.where = where
        self.headers: dict[str, str] = dict(headers or {})


class InvalidInput(EntrepotError):
    """What was sent is wrong; ``fields`` maps names to the sentences about them (may be nested)."""

    status = 400
    code = "invalid"

    def __init__(
        self,
        detail: str,
        *,
        where: str | None = None,
        fields: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, where=where, headers=headers)
        self.fields: dict[str, object] = dict(fields or {})

    @classmethod
    def of(cls, fields: Mapping[str, Sequence[str] | object]) -> InvalidInput:
        """Make one from sentences by field name."""
        names = ", ".join(fields)
        return cls(f"Not valid: {names}.", fields=fields)


class Unauthenticated(EntrepotError):
    """The credentials are missing or not valid."""

    status = 401
    code = "unauthenticated"


class Forbidden(EntrepotError):
    """The caller is known but may not do this."""

    status = 403
    code = "forbidden"


class NotFound(EntrepotError):
    """Not there, or not for this caller to know about."""

    status = 404
    code = "not_found"


class MethodNotAllowed(EntrepotError):
    """The resource doesn't take this method."""

    status = 405
    code = "method_not_allowed"


class NotAcceptable(EntrepotError):
    """No representation fits what the caller accepts."""

    status = 406
    code = "not_acceptable"


class RequestTimeout(EntrepotError):
    """What was to be sent didn't come in time."""

    status = 408
    code = "request_timeout"


class Conflict(EntrepotError):
    """The state changed meanwhile, or the thing exists already."""

    status = 409
    code = "conflict"


class Gone(EntrepotError):
    """It was here, and can't be given any more."""

    status = 410
    code = "gone"


class PreconditionFailed(EntrepotError):
    """If-Match or its kin did not hold."""

    status = 412
    code = "precondition_failed"


class TooLarge(EntrepotError):
    """The body is over its limit."""

    status = 413
    code = "too_large"


class UnsupportedMedia(EntrepotError):
    """The body's media type isn't read here."""

    status = 415
    code = "unsupported_media_type"


class RangeNotSatisfiable(EntrepotError):
    """The range lies outside the thing."""

    status = 416
    code = "range_not_satisfiable"


class TooManyRequests(EntrepotError):
    """A limit was reached."""

    status = 429
    code = "too_many_requests"


class Unavailable(EntrepotError):
    """A part that is needed doesn't answer."""

    status = 503
    code = "unavailable"


class InsufficientStorage(EntrepotError):
    """There is no room for what was sent."""

    status = 507
    code = "insufficient_storage"


class SettingsError(EntrepotError):
    """A setting is unknown or bad; the sentence names it."""

    code = "settings"
