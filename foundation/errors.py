"""What can go wrong, told without HTTP: services raise these, doors translate them.

Every error carries a stable ``code`` for programs, a sentence for people and, where one input is to
blame, ``fields``: the input's name to the reasons it was refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class QuaysideError(Exception):
    """Base of everything a caller may see. ``status`` is the HTTP status a door answers with."""

    code: str = "error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = {name: list(reasons) for name, reasons in (fields or {}).items()}
        self.retry_after = retry_after

    def envelope(self) -> dict[str, Any]:
        """The body of DESIGN section 6: ``{"error": {"code", "message", "fields"?}}``."""
        return envelope(self.code, self.message, self.fields)


def envelope(
    code: str, message: str, fields: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = {name: list(reasons) for name, reasons in fields.items()}
    return {"error": error}


class InvalidInput(QuaysideError):
    code = "invalid"
    status = 400


class Unauthenticated(QuaysideError):
    """Who asks has not proved who they are."""

    code = "not_authenticated"
    status = 401


class Forbidden(QuaysideError):
    code = "permission_denied"
    status = 403


class NotFound(QuaysideError):
    code = "not_found"
    status = 404


class Conflict(QuaysideError):
    code = "conflict"
    status = 409


class PreconditionFailed(QuaysideError):
    """Somebody else changed the thing first."""

    code = "precondition_failed"
    status = 412


class TooLarge(QuaysideError):
    code = "too_large"
    status = 413


class Unprocessable(QuaysideError):
    """Well formed, and still nothing that may be stored; ``fields`` name what is at fault."""

    code = "unprocessable"
    status = 422


class RateLimited(QuaysideError):
    """Give it ``retry_after``."""

    code = "rate_limited"
    status = 429


class Unavailable(QuaysideError):
    """A part this answer needs is down; the same request may succeed later."""

    code = "unavailable"
    status = 503
