"""Counts Django's requests by view and status; no label is ever a client's own word."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import Counter, Histogram

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS: Final = Counter(
    "quayside_http_requests_total", "Requests answered", ["view", "method", "status"]
)
SECONDS: Final = Histogram(
    "quayside_http_request_seconds",
    "Time to answer",
    ["view"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def count_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def answer(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = get_response(request)
        note(request, response.status_code, time.perf_counter() - began)
        return response

    return answer


def note(request: HttpRequest, status: int, seconds: float) -> None:
    match = request.resolver_match
    # Addresses that lead nowhere are one view, however many a client invents.
    view = (match.view_name if match else "") or "unmatched"
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(view, method, status).inc()
    SECONDS.labels(view).observe(seconds)
