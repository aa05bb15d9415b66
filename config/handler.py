"""Django behind the ASGI server: one thread hop for a request, and no more of a body than allowed.

Django's own handler runs every synchronous half of every middleware through a thread and back:
about thirty hops for one of our requests, each of which waits for the interpreter's lock. Views,
models and templates are synchronous here, so the whole chain is run where they are
(docs/decisions/0010). It also reads a body to its end before anybody can refuse it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from foundation.errors import TooLarge
from live.scopes import header
from orgs.constants import MAX_BODY

# Doors that take more than others, and judge for themselves how much: path to bytes.
LARGER_BODIES: Final[dict[str, int]] = {"/api/v1/events": MAX_BODY}


class OneHopHandler(ASGIHandler):
    """Answers as Django's handler does. A client that leaves does not cut its request short."""

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        limit = LARGER_BODIES.get(scope["path"], settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        told = header(scope, b"content-length") or "0"
        counted = _Counted(receive, limit)
        if told.isascii() and told.isdecimal() and int(told) <= limit:
            await super().__call__(scope, counted, send)
        else:
            counted.exceeded = True
        if counted.exceeded:
            await _refuse(TooLarge(f"The body is longer than {limit} bytes."), send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self._answer)(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        except BaseException:
            # Where even the page that tells of a fault fails there is no response, and so nobody
            # to end the request: its connections would be lost to the pool for good.
            close_old_connections()
            raise


class _Counted:
    """``receive`` that hangs up at ``limit`` bytes, so that Django drops what it has read."""

    def __init__(self, receive: Callable[[], Awaitable[Any]], limit: int) -> None:
        self.receive = receive
        self.left = limit
        self.exceeded = False

    async def __call__(self) -> Any:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        if self.left >= 0:
            return message
        self.exceeded = True
        return {"type": "http.disconnect"}


async def _refuse(refused: TooLarge, send: Any) -> None:
    body = json.dumps(refused.envelope()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        # The rest of the body is still on its way, and nobody will read it.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
