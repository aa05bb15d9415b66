"""One error envelope for the whole API, whoever raised: a service, Django or DRF."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from foundation.errors import QuaysideError, RateLimited, Unavailable, envelope

logger = structlog.get_logger(__name__)

# Seconds after which a caller may hope that a lost database or Valkey is back.
RETRY = 5


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. ``None`` means a bug, which Django logs and answers with 500."""
    if isinstance(exc, QuaysideError):
        headers = {"Retry-After": str(exc.retry_after)} if exc.retry_after is not None else None
        return Response(exc.envelope(), status=exc.status, headers=headers)
    if isinstance(exc, (InterfaceError, OperationalError, RedisError)):
        logger.warning("a server is down", error=repr(exc))
        down = Unavailable("A part of this service is down. Try again soon.", retry_after=RETRY)
        return handle(down, context)
    response = exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, exceptions.ValidationError):
        response.data = envelope("invalid", "Check the fields below.", _fields(exc.detail))
    elif isinstance(exc, Http404):
        response.data = envelope("not_found", "There is nothing at this address.")
    elif isinstance(exc, PermissionDenied):
        response.data = envelope("permission_denied", "You may not do this.")
    elif isinstance(exc, exceptions.APIException):
        # One word for it, whoever counts.
        code = RateLimited.code if isinstance(exc, exceptions.Throttled) else exc.get_codes()
        response.data = envelope(code if isinstance(code, str) else "error", str(exc.detail))
    return response  # DRF's own headers (Retry-After, WWW-Authenticate) survive


def _fields(detail: Any) -> dict[str, list[str]]:
    if not isinstance(detail, dict):
        return {"non_field_errors": [str(item) for item in detail]}
    return {
        name: [str(reason) for reason in (reasons if isinstance(reasons, list) else [reasons])]
        for name, reasons in detail.items()
    }
