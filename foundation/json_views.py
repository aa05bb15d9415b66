"""Django views that speak JSON where DRF's would not do: DRF checks CSRF for signed-in users only.

A sign-in needs the check before anybody is signed in, or a stranger's page could sign its visitor
in as somebody else.
"""

from __future__ import annotations

import json
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import View
from django.views.csrf import csrf_failure as html_csrf_failure
from redis.exceptions import RedisError

from foundation.errors import InvalidInput, QuaysideError, TooLarge, Unavailable, envelope

logger = structlog.get_logger(__name__)

# Seconds after which a caller may hope that a lost database or Valkey is back.
RETRY = 5


class JsonView(View):
    """Answers refusals with the API's envelope. Answers are the caller's own: never cached."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = super().dispatch(request, *args, **kwargs)
        except QuaysideError as refused:
            response = refusal(refused)
        except (InterfaceError, OperationalError, RedisError) as problem:
            logger.warning("a server is down", error=repr(problem))
            message = "A part of this service is down. Try again soon."
            response = refusal(Unavailable(message, retry_after=RETRY))
        response["Cache-Control"] = "no-store"
        return response

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        allowed = super().http_method_not_allowed(request, *args, **kwargs)["Allow"]
        body = envelope("method_not_allowed", f"Use {allowed}.")
        return JsonResponse(body, status=405, headers={"Allow": allowed})


def refusal(error: QuaysideError) -> HttpResponse:
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return JsonResponse(error.envelope(), status=error.status, headers=headers)


def read_object(request: HttpRequest, *, limit: int) -> dict[str, Any]:
    """The JSON object in the body; one that says it is too long is not read at all.

    Raises ``TooLarge`` beyond ``limit`` bytes, and ``InvalidInput``.
    """
    if request.content_type != "application/json":
        raise InvalidInput("Send application/json.", code="malformed_request")
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise TooLarge(f"The body is longer than {limit} bytes.")
    raw = request.read(limit + 1)
    if len(raw) > limit:
        raise TooLarge(f"The body is longer than {limit} bytes.")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise InvalidInput("The body is not JSON.", code="malformed_request") from problem
    if not isinstance(found, dict):
        raise InvalidInput("The body is not a JSON object.", code="malformed_request")
    return found


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's ``CSRF_FAILURE_VIEW``: the envelope for the API, a page for people."""
    if not request.path.startswith("/api/"):
        return html_csrf_failure(request, reason=reason)
    body = envelope("csrf_failed", "Send the CSRF cookie's value in the header X-CSRFToken.")
    return JsonResponse(body, status=403)
