"""How allauth creates users here, and what it asks of them when they sign in."""

from __future__ import annotations

import secrets
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows import login, reauthentication
from allauth.account.stages import EmailVerificationStage
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
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

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Hold users who have only wallets to the same proof as everybody else.

        allauth has nothing to ask them for and would let them pass; a signature by one of their
        wallets is what they can give. Raises ``ReauthenticationRequired`` in their case.
        """
        required = bool(super().is_reauthentication_required(app=app, **kwargs))
        user = context.request.user
        if required and user.is_authenticated and not _has_flows(user):
            if not _proved_recently(context.request):
                raise ReauthenticationRequired
            return False
        return required


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


def _has_flows(user: Any) -> bool:
    return bool(reauthentication.get_reauthentication_flows(user))


def _proved_recently(request: Any) -> bool:
    records = login.get_authentication_records(request, request.user)
    proofs = [record["at"] for record in records if record.get("reauthenticated")]
    return bool(proofs) and time.time() - proofs[-1] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
