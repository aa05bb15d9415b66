"""Tokens at the API's door: ``Authorization: Bearer qs_...``, and nowhere else."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.permissions import is_public, scope_needed
from accounts.services import tokens
from foundation.errors import Unauthenticated
from foundation.throttling import AddressThrottle

CHALLENGE = 'Bearer realm="api"'


class TokenAuthentication(BaseAuthentication):
    """A token that is sent must be good, on public addresses too. Without one, others decide."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            token = tokens.authenticate(secret.strip())
        except Unauthenticated as refused:
            count_refusal(request)
            raise AuthenticationFailed(refused.message, code=refused.code) from refused
        tokens.note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def count_refusal(request: Request) -> None:
    """Guesses count as requests of their address; DRF's own throttles come later than this."""
    throttle = AddressThrottle()
    if not throttle.allow_request(request, None):
        raise Throttled(throttle.wait())


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.TokenAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "qs_",
            "description": "A token from the account page. Scopes: `read`, `events`, `operator`.",
        }

    def get_security_requirement(
        self, auto_schema: Any
    ) -> dict[str, list[Any]] | list[dict[str, list[Any]]]:
        if is_public(auto_schema.view):
            return {TokenScheme.name: []}
        scope = scope_needed(auto_schema.view, auto_schema.method)
        return {TokenScheme.name: [scope.value]} if scope else []
