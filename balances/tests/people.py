"""Who asks: the owner, another user, a token of the owner's, and nobody."""

from __future__ import annotations

from typing import Any

from django.test import Client

from accounts.models import Scope, User
from accounts.services import tokens


def signed_in(name: str = "ann") -> Client:
    """A browser of the user of that name, who is made if need be. ``client.user`` is the user."""
    user, _ = User.objects.get_or_create(username=name)
    client: Any = Client()
    client.force_login(user)
    client.user = user
    return client  # type: ignore[no-any-return]


def with_token(user: User, *scopes: Scope) -> Client:
    """A program that shows a token of the user's."""
    _, secret = tokens.create(user=user, name="script", scopes=scopes, expires_at=None)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def refused(response: Any) -> tuple[int, str, list[str]]:
    """Status, code, and the names of the fields that are to blame."""
    error = response.json()["error"]
    return response.status_code, error["code"], list(error.get("fields", {}))
