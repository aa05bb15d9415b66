"""Probes and scrapes reach a process by its own address, before anybody judges what they call it.

Which host a request names matters where an answer holds links or cookies, and these hold neither.
Nor are they logged: they come every few seconds, whether anybody visits or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve

DOORS: Final = frozenset({"/healthz", "/readyz", "/metrics"})


def answer_probes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.path not in DOORS:
            return get_response(request)
        # As Django would have done it, so that it is counted under its name.
        request.resolver_match = resolve(request.path)
        found: HttpResponseBase = request.resolver_match.func(request)
        return found

    return answer
