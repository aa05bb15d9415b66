"""What follows from news: members' acts are counted, treasury addresses followed, owners kept."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import (
    user_acted,
    user_blotted_out,
    user_closing,
    user_exported,
    wallet_linked,
)
from balances.services import keeps
from orgs.constants import SIGNED_IN, WALLET_LINKED
from orgs.models import TreasuryAddress
from orgs.services import memberships, own_actions, personal


@receiver(post_save, sender=TreasuryAddress)
def follow_treasury(instance: TreasuryAddress, created: bool, **kwargs: Any) -> None:
    """In the same transaction: an address that is named is followed, whichever door it came by."""
    if created:
        keeps.keep(bytes(instance.raw), _keeper(instance))


@receiver(post_delete, sender=TreasuryAddress)
def leave_treasury(instance: TreasuryAddress, **kwargs: Any) -> None:
    keeps.let_go(bytes(instance.raw), _keeper(instance))


@receiver(user_closing)
def keep_owners(user_id: int, **kwargs: Any) -> None:
    memberships.require_other_owners(user_id)


@receiver(user_closing)
def forget_addresses(user_id: int, **kwargs: Any) -> None:
    personal.forget(user_id)


@receiver(user_blotted_out)
def forget_user(user_id: int, **kwargs: Any) -> None:
    memberships.forget(user_id)


@receiver(user_exported)
def give_memberships(user_id: int, **kwargs: Any) -> dict[str, Any]:
    return {"organisations": memberships.of_user(user_id), **personal.exported(user_id)}


@receiver(user_acted)
def count_act(user_id: int, name: str, about: str, **kwargs: Any) -> None:
    own_actions.note(user_id=user_id, name=name, about=about)


@receiver(user_logged_in)
def count_sign_in(user: User, **kwargs: Any) -> None:
    own_actions.note(user_id=user.pk, name=SIGNED_IN)


@receiver(wallet_linked)
def count_wallet(user_id: int, address: str, **kwargs: Any) -> None:
    own_actions.note(user_id=user_id, name=WALLET_LINKED, about=address)


def _keeper(address: TreasuryAddress) -> str:
    return f"organisation:{address.org_id}"
