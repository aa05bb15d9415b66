"""Everything that is kept about a user, for them to take away. Nothing in it opens a door."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils import timezone

from accounts.constants import EventKind
from accounts.models import ApiToken, SecurityEvent, User
from accounts.services import security_log
from accounts.services.wallets import wallets_of
from accounts.signals import user_exported

FORMAT = 1


@transaction.atomic
def export(user: User) -> dict[str, Any]:
    """A tree of plain values and datetimes, one key a section. Other apps add theirs by signal."""
    security_log.record(user_id=user.pk, kind=EventKind.DATA_EXPORTED)
    tree: dict[str, Any] = {
        "format": FORMAT,
        "exported_at": timezone.now(),
        "profile": _profile(user),
        "emails": _rows(EmailAddress.objects.filter(user=user), "email", "verified", "primary"),
        "wallets": [_wallet(wallet) for wallet in wallets_of(user)],
        "second_factors": _rows(
            Authenticator.objects.filter(user=user), "type", "created_at", "last_used_at"
        ),
        "sessions": _rows(
            UserSession.objects.filter(user=user), "ip", "user_agent", "created_at", "last_seen_at"
        ),
        "api_tokens": _rows(
            ApiToken.objects.filter(user=user),
            *("name", "prefix", "scopes", "created_at", "last_used_at", "expires_at"),
        ),
        "security_log": _rows(
            SecurityEvent.objects.filter(user=user), "kind", "at", "ip", "agent", "detail"
        ),
    }
    for _, sections in user_exported.send(sender=User, user_id=user.pk):
        tree.update(cast("dict[str, Any]", sections))
    return tree


def _profile(user: User) -> dict[str, Any]:
    fields = (
        *("username", "display_name", "first_name", "last_name", "email"),
        *("time_zone", "quote_currency", "date_joined", "last_login", "is_staff"),
    )
    roles = list(user.groups.order_by("name").values_list("name", flat=True))
    return {name: getattr(user, name) for name in fields} | {"roles": roles}


def _wallet(wallet: Any) -> dict[str, Any]:
    fields = ("address", "chain_id", "kind", "label", "linked_at", "last_used_at")
    return {name: getattr(wallet, name) for name in fields}


def _rows(rows: Any, *fields: str) -> list[dict[str, Any]]:
    return list(rows.order_by("pk").values(*fields))
