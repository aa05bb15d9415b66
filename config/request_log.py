"""One line per request: who asked for what, the answer, and how long it took.

Neither query strings nor the one-time keys inside paths are written: logs are read by more people
than those keys are meant for.
"""

from __future__ import annotations

import re
import time
from typing import Any

from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware
from django_structlog.signals import bind_extra_request_finished_metadata

# allauth's links to confirm an address or to choose a new password.
ONE_TIME_KEY = re.compile(r"(/(?:key|confirm-email)/)[^/]+")


class RequestLogMiddleware(RequestMiddleware):
    """django-structlog's middleware, which binds the request id, with a clock."""

    def prepare(self, request: HttpRequest) -> None:
        # Not in META: a request that was held up for a proof of presence goes on with its own.
        vars(request)["began"] = time.perf_counter()
        super().prepare(request)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {shown_path(request)}"


def shown_path(request: HttpRequest) -> str:
    return ONE_TIME_KEY.sub(r"\1...", request.path)


@receiver(bind_extra_request_finished_metadata)
def tell_apart(
    sender: object,
    request: HttpRequest,
    response: HttpResponse,
    log_kwargs: dict[str, Any],
    **kwargs: object,
) -> None:
    log_kwargs.clear()
    log_kwargs.update(
        method=request.method,
        path=shown_path(request),
        status=response.status_code,
        duration_ms=round((time.perf_counter() - vars(request)["began"]) * 1000, 1),
    )
