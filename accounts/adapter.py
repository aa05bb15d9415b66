"""How allauth creates users here, and what it asks of them when they sign in."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.stages import EmailVerificationStage
from django.contrib.auth.base_user import AbstractBaseUser

from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    def populate_username(self, request: Any, user: AbstractBaseUser) -> None:
        """Give a random name: one made from the e-mail would show it to others."""
        assert isinstance(user, User)
        user.username = user.username or f"user-{secrets.token_hex(6)}"

    def get_login_stages(self) -> list[str]:
        stages: list[str] = super().get_login_stages()
        ours = f"{__name__}.{ConfirmIfThereIsAnAddress.__name__}"
        theirs = f"{EmailVerificationStage.__module__}.{EmailVerificationStage.__name__}"
        return [ours if stage == theirs else stage for stage in stages]


class ConfirmIfThereIsAnAddress(EmailVerificationStage):
    """Asks for a confirmed address, except of users who have none.

    Sign-up always takes an address, so such a user was made on the command line or in the admin and
    would otherwise wait for ever for a mail that nobody can send.
    """

    def handle(self) -> tuple[Any, bool]:
        user = self.login.user
        # Without a user this is allauth's pretence for somebody who guesses addresses.
        if isinstance(user, User) and not user.email and not user.emailaddress_set.exists():
            return None, True
        answer: tuple[Any, bool] = super().handle()  # type: ignore[no-untyped-call]
        return answer
