"""Refuses JSON that holds half a surrogate pair, before any view works with it.

``"\\ud800"`` is JSON by the letter of RFC 8259 (section 8.2 warns of it) and a text that can
neither be stored nor sent. Whoever echoes it fails, so no view should have to think of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from foundation.errors import envelope

ESCAPED: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def refuse_broken_text(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Packed bodies are left to the doors that take them."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if _is_plain(request) and _is_broken(request.body):
            text = "The body holds characters that are none."
            return JsonResponse(envelope("malformed_request", text), status=400)
        return get_response(request)

    return answer


def _is_plain(request: HttpRequest) -> bool:
    """What is too long is for the view to refuse, without reading it."""
    length = request.META.get("CONTENT_LENGTH") or 0
    return (
        request.content_type == "application/json"
        and "Content-Encoding" not in request.headers
        and int(length) <= (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
    )


def _is_broken(body: bytes) -> bool:
    if not ESCAPED.search(body):
        return False
    try:
        found: Any = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False  # no JSON at all, as the view will say
    return False
