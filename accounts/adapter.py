"""How allauth creates users here."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter

from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    def populate_username(self, request: Any, user: User) -> None:
        """Give a random name: one made from the e-mail would show it to others."""
        user.username = user.username or f"user-{secrets.token_hex(6)}"
