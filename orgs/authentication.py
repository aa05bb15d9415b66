"""Organisations' keys at the API's door: ``Authorization: Bearer qo_...``, and nowhere else."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.authentication import CHALLENGE, count_refusal
from foundation.errors import Unauthenticated
from orgs.models import ApiKey
from orgs.services import keys


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
