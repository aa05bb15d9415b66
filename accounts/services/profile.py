"""What a user says about themselves, and the ways in that they have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator

from accounts.models import User
from accounts.validators import time_zones


@dataclass(frozen=True, slots=True)
class Passkey:
    name: str
    added_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class SignInMethods:
    """``recovery_codes`` is how many are left, ``None`` without any ever made."""

    emails: list[EmailAddress]
    has_password: bool
    has_totp: bool
    passkeys: list[Passkey]
    recovery_codes: int | None


def zone_of(user: User) -> ZoneInfo:
    """The zone that was chosen, if this machine knows it still; else UTC."""
    known = user.time_zone in time_zones()
    return ZoneInfo(user.time_zone if known else "UTC")


def sign_in_methods(user: User) -> SignInMethods:
    factors = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    kinds = Counter(factor.type for factor in factors)
    codes = [f for f in factors if f.type == Authenticator.Type.RECOVERY_CODES]
    return SignInMethods(
        emails=list(EmailAddress.objects.filter(user=user).order_by("-primary", "email")),
        has_password=user.has_usable_password(),
        has_totp=kinds[Authenticator.Type.TOTP] > 0,
        passkeys=[
            Passkey(factor.wrap().name, factor.created_at, factor.last_used_at)
            for factor in factors
            if factor.type == Authenticator.Type.WEBAUTHN
        ],
        recovery_codes=len(codes[0].wrap().get_unused_codes()) if codes else None,
    )
