"""A user's wallets: listing, naming, unlinking. A wallet is one of allauth's social accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts.models import User, WalletLabel
from foundation.errors import InvalidInput, NotFound

PROVIDER_ID: Final = "ethereum"
MAX_LABEL: Final = 50
# The kind of a wallet that is a contract, as its account keeps it; the others are keys.
CONTRACT: Final = "contract"


class LastCredential(InvalidInput, PermissionDenied):
    """Nobody could sign in any more. Django's own doors answer 403, ours 400."""

    code = "no_password"


@dataclass(frozen=True, slots=True)
class Wallet:
    """One row of the account page. ``removable`` is false for the last way in."""

    id: int
    address: str
    chain_id: int
    kind: str
    label: str
    linked_at: datetime
    last_used_at: datetime
    removable: bool


def addresses_of(user_id: int) -> list[str]:
    """EIP-55, oldest first."""
    accounts = SocialAccount.objects.filter(user=user_id, provider=PROVIDER_ID)
    facts = accounts.order_by("date_joined", "pk").values_list("extra_data", flat=True)
    return [fact["address"] for fact in facts]


def wallets_of(user: User) -> list[Wallet]:
    """Oldest first."""
    accounts = SocialAccount.objects.filter(user=user, provider=PROVIDER_ID)
    found = list(accounts.select_related("label").order_by("date_joined", "pk"))
    removable = len(found) > 1 or _has_other_way_in(user, excluding=[a.pk for a in found])
    return [
        Wallet(
            id=account.pk,
            address=account.extra_data["address"],
            chain_id=account.extra_data["chain_id"],
            kind=account.extra_data["kind"],
            label=account.label.text if hasattr(account, "label") else "",
            linked_at=account.date_joined,
            last_used_at=account.last_login,
            removable=removable,
        )
        for account in found
    ]


def rename(*, user: User, wallet_id: int, label: str) -> None:
    """Name a wallet; an empty label takes the name away. Raises ``NotFound``, ``InvalidInput``."""
    account = _own(user, wallet_id)
    text = label.strip()
    if len(text) > MAX_LABEL or not text.isprintable():
        problem = f"Use at most {MAX_LABEL} printable characters."
        raise InvalidInput(problem, fields={"label": [problem]})
    if text:
        WalletLabel.objects.update_or_create(account=account, defaults={"text": text})
    else:
        WalletLabel.objects.filter(account=account).delete()


@transaction.atomic
def unlink(*, user: User, wallet_id: int) -> None:
    """Remove a wallet; sessions that came through it end on commit.

    The caller asks for a recent proof first. Raises ``NotFound`` and ``LastCredential``.
    """
    _own(user, wallet_id).delete()


def require_other_way_in(account: SocialAccount) -> None:
    """Raises ``LastCredential``. Locks the user's row until the transaction ends.

    Of two removals at once the second waits here, and then counts without the first one's wallet.
    """
    user = User.objects.select_for_update().get(pk=account.user_id)
    if not _has_other_way_in(user, excluding=[account.pk]):
        raise LastCredential("This is the last way to sign in to this account; it must stay.")


def may_lose_address(address: EmailAddress) -> bool:
    """Whether the user could still sign in, and be helped with a lost password, without it.

    Waits, as unlinking does, so that wallet and address cannot both be the one that was to stay.
    """
    user = User.objects.select_for_update().get(pk=address.user_id)
    others = EmailAddress.objects.filter(user=user, verified=True).exclude(pk=address.pk)
    return not address.verified or others.exists() or _has_wallet(user, excluding=[])


def _has_wallet(user: User, *, excluding: list[int]) -> bool:
    """Whether one is left that can sign in: a contract needs a node of its chain to be asked."""
    left = SocialAccount.objects.filter(user=user).exclude(pk__in=excluding)
    return any(
        account.extra_data.get("kind") != CONTRACT
        or account.extra_data.get("chain_id") in settings.SIWE_SMART_WALLETS
        for account in left
    )


def _has_other_way_in(user: User, *, excluding: list[int]) -> bool:
    if _has_wallet(user, excluding=excluding):
        return True
    # A password without a confirmed address could not be reset.
    verified = EmailAddress.objects.filter(user=user, verified=True)
    return user.has_usable_password() and verified.exists()


def _own(user: User, wallet_id: int) -> SocialAccount:
    account = SocialAccount.objects.filter(pk=wallet_id, user=user, provider=PROVIDER_ID).first()
    if account is None:
        raise NotFound("You have no such wallet.")
    return account
