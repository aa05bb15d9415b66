"""Organisations' keys at the API's door: ``Authorization: Bearer qo_...``, and nowhere else."""

from __future__ import annotations

import asyncio
from io import BytesIO
from time import monotonic
from typing import Any, Final

from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.authentication import CHALLENGE, count_refusal
from accounts.services.tokens import digest
from foundation.errors import Unauthenticated
from live.limits import client_address
from orgs.models import ApiKey
from orgs.services import keys

# So long may a revoked key still send single events.
REMEMBERED_SECONDS: Final = 3.0
MAX_REMEMBERED: Final = 1_000


class KeyAuthentication(BaseAuthentication):
    """Nobody signs in by a key: ``request.auth`` says which organisation it acts for.

    Tokens of users, which begin otherwise, are left to those who know them.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret.startswith(keys.BEGINNING):
            return None
        try:
            key = keys.authenticate(secret)
        except Unauthenticated as refused:
            count_refusal(request)
            raise AuthenticationFailed(refused.message, code=refused.code) from refused
        keys.note_use(key)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class RememberedKeys:
    """Good keys of one event loop, each asked of the database once in some seconds.

    Requests of one key and address that come at once wait for the same answer. Bad keys are never
    remembered: each guess is counted against its address as at the doors of the API.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._good: dict[str, tuple[float, ApiKey]] = {}
        self._asked: dict[tuple[str, Any], asyncio.Task[ApiKey]] = {}

    async def key_of(self, scope: Any, credential: str) -> ApiKey:
        """The key in ``Authorization``. Raises what ``KeyAuthentication`` and the database do."""
        who = digest(credential)
        until, key = self._good.get(who, (0.0, None))
        if key is not None and until > monotonic() and not key.expired:
            return key
        # By the address that will be counted, which a proxy's header may say.
        asking = (who, client_address(scope))
        task = self._asked.get(asking)
        if task is None:
            task = self._asked[asking] = self.loop.create_task(self._ask(scope, who))
            task.add_done_callback(lambda _: self._asked.pop(asking))
        # A client that leaves does not end the question of the others.
        return await asyncio.shield(task)

    async def _ask(self, scope: Any, who: str) -> ApiKey:
        self._good.pop(who, None)
        asked = monotonic()
        key = await _identify(scope)
        if len(self._good) >= MAX_REMEMBERED:
            self._good.clear()
        # From before the database was asked, so that no delay keeps a revoked key alive.
        self._good[who] = (asked + REMEMBERED_SECONDS, key)
        return key


@database_sync_to_async
def _identify(scope: Any) -> ApiKey:
    # The body is nothing to us, and must stay unread.
    request = ASGIRequest(scope, BytesIO())
    found = KeyAuthentication().authenticate(Request(request))
    assert found is not None, "asked only of what begins as a key"
    return found[1]


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "orgs.authentication.KeyAuthentication"
    name = "organisationKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "qo_",
            "description": "A key from the organisation's page. Scopes: `events`, `metrics`.",
        }
