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
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import CHALLENGE, TokenAuthentication
from accounts.models import Scope, User
from foundation import api_errors
from live.scopes import header

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
            await _refuse(problem, send)
            return
        await application(scope if found is None else {**scope, "user": found}, receive, send)

    return guarded


@database_sync_to_async
def _identify(scope: Any) -> User | AnonymousUser | None:
    """Who the token makes of its holder, by the rules of the API; ``None`` without a token."""
    # The body is nothing to us, and must stay unread for whoever comes next.
    found = TokenAuthentication().authenticate(Request(ASGIRequest(scope, BytesIO())))
    if found is None:
        return None
    user, token = found
    return user if Scope.READ in token.scopes else AnonymousUser()


async def _refuse(problem: Exception, send: Any) -> None:
    if isinstance(problem, AuthenticationFailed):
        problem.auth_header = CHALLENGE  # type: ignore[attr-defined]  # DRF's views set it too
    response = api_errors.handle(problem, {})
    assert isinstance(response, Response), "one of the exceptions that are known there"
    told = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *told]
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": json.dumps(response.data).encode()})
