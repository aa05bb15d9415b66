"""API tokens at doors that Django does not stand behind."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import CHALLENGE, TokenAuthentication
from accounts.models import Scope
from foundation import api_errors
from live.protocol import NOT_SIGNED_IN
from live.scopes import Credential, header

# RFC 6455's code for a server that cannot do it now.
TRY_LATER = 1013

Application = Callable[[Any, Any, Any], Awaitable[None]]


def with_tokens(application: Application) -> Application:
    """``application`` with the user of a good token as ``scope["user"]``; a bad one is refused.

    Requests without an ``Authorization`` header pass untouched.
    """

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if header(scope, b"authorization") is None:
            await application(scope, receive, send)
            return
        try:
            found = await _identify(scope)
        except (APIException, InterfaceError, OperationalError) as problem:
            answer = _refuse_socket if scope["type"] == "websocket" else refuse
            await answer(problem, send)
            return
        await application(scope if found is None else scope | found, receive, send)

    return guarded


@database_sync_to_async
def _identify(scope: Any) -> dict[str, Any] | None:
    """What the scope gains by the token, by the rules of the API; ``None`` without a token."""
    # The body is nothing to us, and must stay unread for whoever comes next. A websocket begins as
    # a GET, and says no method.
    request = ASGIRequest({"method": "GET", **scope}, BytesIO())
    found = TokenAuthentication().authenticate(Request(request))
    if found is None:
        return None
    user, token = found
    if Scope.READ not in token.scopes:
        return {"user": AnonymousUser()}
    ends = token.expires_at
    ends_in = None if ends is None else (ends - timezone.now()).total_seconds()
    return {"user": user, "credential": Credential(str(token.pk), ends_in)}


async def _refuse_socket(problem: Exception, send: Any) -> None:
    """Accepts first, since no client can read why a handshake was refused."""
    response = _answer(problem)
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(response.data)})
    code = TRY_LATER if response.status_code >= 500 else NOT_SIGNED_IN
    await send({"type": "websocket.close", "code": code})


async def refuse(problem: Exception, send: Any) -> int:
    """Answer as the API does to this problem; returns the status."""
    response = _answer(problem)
    told = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *told]
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": json.dumps(response.data).encode()})
    return response.status_code


def _answer(problem: Exception) -> Response:
    if isinstance(problem, AuthenticationFailed):
        problem.auth_header = CHALLENGE  # type: ignore[attr-defined]  # DRF's views set it too
    response = api_errors.handle(problem, {})
    assert isinstance(response, Response), "one of the exceptions that are known there"
    return response
