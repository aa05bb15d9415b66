"""How allauth saves and removes wallets here."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.db import transaction

from accounts.models import User


class Adapter(DefaultSocialAccountAdapter):
    def save_user(self, request: Any, sociallogin: Any, form: Any = None) -> User:
        """User and wallet, or neither: of two first sign-ins at once one leaves no trace."""
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
        return user
