"""What follows: from a wallet that is linked or removed, by whichever door, from a sign-up, from a
migration."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.signals import user_signed_up
from allauth.core import context
from allauth.socialaccount.models import SocialAccount
from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, post_migrate, post_save, pre_delete
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.models import ApiToken, User
from accounts.services import roles, sessions, wallets
from accounts.signals import wallet_linked, wallet_unlinked
from foundation.commits import after_commit
from live import control


@receiver(post_save, sender=SocialAccount)
def announce_linked(instance: SocialAccount, created: bool, **kwargs: Any) -> None:
    if created and instance.provider == wallets.PROVIDER_ID:
        after_commit(wallet_linked.send, **_facts(instance))


@receiver(pre_delete, sender=SocialAccount)
def keep_last_credential(instance: SocialAccount, origin: Any, **kwargs: Any) -> None:
    """Refuses to remove the last way in, except together with its user."""
    model = origin.model if isinstance(origin, QuerySet) else type(origin)
    if model is SocialAccount:
        wallets.require_other_way_in(instance)


@receiver(post_delete, sender=SocialAccount)
def announce_unlinked(instance: SocialAccount, **kwargs: Any) -> None:
    if instance.provider != wallets.PROVIDER_ID:
        return
    after_commit(wallet_unlinked.send, **_facts(instance))
    end = partial(
        sessions.end_sessions_of_wallet,
        user_id=instance.user_id,
        uid=instance.uid,
        current=context.request,
    )
    transaction.on_commit(end)


@receiver(user_logged_in)
def keep_session(request: HttpRequest, **kwargs: Any) -> None:
    sessions.keep_after_sign_in(request.session)


@receiver(user_logged_out)
def hang_up(request: HttpRequest | None, **kwargs: Any) -> None:
    """What the session may hear ends with it, on every page that is still open."""
    if request is not None and (key := request.session.session_key):
        after_commit(control.end_session, key)


@receiver(post_delete, sender=ApiToken)
def hang_up_token(instance: ApiToken, **kwargs: Any) -> None:
    after_commit(control.end_token, instance.pk)


@receiver(post_save, sender=User)
def put_out(instance: User, created: bool, **kwargs: Any) -> None:
    """Whoever is switched off hears nothing more, however they came in."""
    if not created and not instance.is_active:
        after_commit(control.withdraw, user_id=instance.pk)


@receiver(pre_delete, sender=User)
def put_out_deleted(instance: User, **kwargs: Any) -> None:
    after_commit(control.withdraw, user_id=instance.pk)


@receiver(user_signed_up)
def join_customers(user: User, **kwargs: Any) -> None:
    roles.join(user, roles.Role.CUSTOMER)


@receiver(post_migrate)
def settle_roles(sender: AppConfig, **kwargs: Any) -> None:
    if sender.label == User._meta.app_label:
        roles.make_groups()
    roles.settle(sender)


def _facts(account: SocialAccount) -> dict[str, Any]:
    return {
        "sender": SocialAccount,
        "user_id": account.user_id,
        "address": account.extra_data["address"],
        "chain_id": account.extra_data["chain_id"],
    }
