"""Django behind the ASGI server, with one thread hop for a request instead of one for each step.

Django's own handler runs every synchronous half of every middleware through a thread and back:
about thirty hops for one of our requests, each of which waits for the interpreter's lock. Views,
models and templates are synchronous here, so the whole chain is run where they are
(docs/decisions/0010).
"""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class OneHopHandler(ASGIHandler):
    """Answers as Django's handler does. A client that leaves does not cut its request short."""

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)
