"""What follows from the news of others: what members do is counted for their organisations."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_acted, wallet_linked
from orgs.constants import SIGNED_IN, WALLET_LINKED
from orgs.services import own_actions


@receiver(user_acted)
def count_act(user_id: int, name: str, about: str, **kwargs: Any) -> None:
    own_actions.note(user_id=user_id, name=name, about=about)


@receiver(user_logged_in)
def count_sign_in(user: User, **kwargs: Any) -> None:
    own_actions.note(user_id=user.pk, name=SIGNED_IN)


@receiver(wallet_linked)
def count_wallet(user_id: int, address: str, **kwargs: Any) -> None:
    own_actions.note(user_id=user_id, name=WALLET_LINKED, about=address)
