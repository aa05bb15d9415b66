"""How allauth creates users here, and what it asks of them when they sign in."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows import reauthentication
from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.urls import reverse

from accounts.models import User
from accounts.services import devices
from accounts.services.presence import proved_recently
from accounts.services.wallets import may_lose_address, wallets_of


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

    def set_password(self, user: Any, password: str) -> None:
        """A first password is a new way in, so it needs the proof that a change asks for.

        allauth asks for the old password instead, which this user has not. Raises
        ``ReauthenticationRequired``.
        """
        request = context.request
        if request is not None and request.user == user and not user.has_usable_password():
            reauthentication.raise_if_reauthentication_required(request, app="allauth.account")
        super().set_password(user, password)

    def can_delete_email(self, email_address: EmailAddress) -> bool:
        """allauth thinks that a user name is enough to come back; here nobody knows theirs."""
        return super().can_delete_email(email_address) and may_lose_address(email_address)

    def is_safe_url(self, url: str | None) -> bool:
        """Whether ``next`` may be followed. What is no address at all would be a 500 in allauth."""
        try:
            return bool(super().is_safe_url(url or ""))
        except ValueError:
            return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Hold users who have only wallets to the same proof as everybody else.

        allauth has nothing to ask them for and would let them pass; a signature by one of their
        wallets is what they can give. Raises ``ReauthenticationRequired`` in their case.
        """
        required = bool(super().is_reauthentication_required(app=app, **kwargs))
        user = context.request.user
        if required and user.is_authenticated and not _has_flows(user):
            if not proved_recently(context.request):
                raise ReauthenticationRequired
            return False
        return required

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """allauth's, and a signature by a linked wallet: the only one that some users have."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if user.is_authenticated and wallets_of(user):
            description, url = "Sign with a wallet", reverse("accounts:confirm")
            methods.append({"id": "wallet", "description": description, "url": url})
        return methods


class SessionsAdapter(DefaultUserSessionsAdapter):
    def end_sessions(self, sessions: Any) -> None:
        """Also out of Valkey, and with a line in the log."""
        devices.end_rows(list(sessions))


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
