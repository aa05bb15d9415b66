"""What the security log hears, whichever door it came through: a page, the API, the admin.

Rows are written where the thing happens, so that with a transaction both are kept or neither.
"""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account_signals
from allauth.account.internal.userkit import filter_users_by_email, get_user_by_username
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa_signals
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import QuerySet
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.constants import EventKind
from accounts.models import ApiToken, User
from accounts.services import devices
from accounts.services.security_log import record

FACTORS: dict[str, str] = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.WEBAUTHN: "passkey",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}


@receiver(account_signals.user_signed_up)
def note_sign_up(user: User, **kwargs: Any) -> None:
    record(user_id=user.pk, kind=EventKind.ACCOUNT_CREATED)


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    records = request.session.get("account_authentication_methods") or []
    ways = [_way(way) for way in records if not way.get("reauthenticated")]
    record(user_id=user.pk, kind=EventKind.SIGNED_IN, detail=", ".join(ways))


@receiver(user_logged_out)
def note_sign_out(user: User | None, **kwargs: Any) -> None:
    # Somebody whose row has just been deleted signs out too.
    if user is not None and user.pk is not None:
        record(user_id=user.pk, kind=EventKind.SIGNED_OUT)


@receiver(user_login_failed)
def note_failure(credentials: dict[str, Any], **kwargs: Any) -> None:
    for user in _meant(credentials):
        record(user_id=user.pk, kind=EventKind.SIGN_IN_FAILED, detail="password")


@receiver(mfa_signals.authentication_failed)
def note_factor_failure(user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    detail = FACTORS[authenticator.type]
    record(user_id=user.pk, kind=EventKind.SIGN_IN_FAILED, detail=detail)


@receiver([account_signals.password_changed, account_signals.password_set])
def note_new_password(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """The other sessions are worth nothing with a new password; their rows go as well."""
    record(user_id=user.pk, kind=EventKind.PASSWORD_CHANGED)
    devices.end_others(user, current_key=request.session.session_key)


@receiver(account_signals.password_reset)
def note_reset(user: User, **kwargs: Any) -> None:
    record(user_id=user.pk, kind=EventKind.PASSWORD_RESET)
    devices.end_others(user, current_key=None)


@receiver(account_signals.email_added)
def note_email_added(user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    record(user_id=user.pk, kind=EventKind.EMAIL_ADDED, detail=email_address.email)


@receiver(account_signals.email_confirmed)
def note_email_confirmed(email_address: EmailAddress, **kwargs: Any) -> None:
    detail = email_address.email
    record(user_id=email_address.user_id, kind=EventKind.EMAIL_CONFIRMED, detail=detail)


@receiver(account_signals.email_changed)
def note_email_changed(user: User, to_email_address: EmailAddress, **kwargs: Any) -> None:
    record(user_id=user.pk, kind=EventKind.EMAIL_CHANGED, detail=to_email_address.email)


@receiver(account_signals.email_removed)
def note_email_removed(user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    record(user_id=user.pk, kind=EventKind.EMAIL_REMOVED, detail=email_address.email)


@receiver(post_save, sender=Authenticator)
def note_factor(instance: Authenticator, created: bool, **kwargs: Any) -> None:
    """Not by allauth's own signals: they come when the change is committed already."""
    if created:
        detail = FACTORS[instance.type]
        record(user_id=instance.user_id, kind=EventKind.FACTOR_ADDED, detail=detail)


@receiver(post_delete, sender=Authenticator)
def note_factor_removed(instance: Authenticator, origin: Any, **kwargs: Any) -> None:
    if not _goes_with_user(origin):
        detail = FACTORS[instance.type]
        record(user_id=instance.user_id, kind=EventKind.FACTOR_REMOVED, detail=detail)


@receiver(post_save, sender=SocialAccount)
def note_wallet(instance: SocialAccount, created: bool, **kwargs: Any) -> None:
    if created:
        record(user_id=instance.user_id, kind=EventKind.WALLET_LINKED, detail=instance.uid)


@receiver(post_delete, sender=SocialAccount)
def note_wallet_removed(instance: SocialAccount, origin: Any, **kwargs: Any) -> None:
    if not _goes_with_user(origin):
        record(user_id=instance.user_id, kind=EventKind.WALLET_REMOVED, detail=instance.uid)


@receiver(post_save, sender=ApiToken)
def note_token(instance: ApiToken, created: bool, **kwargs: Any) -> None:
    if created:
        detail = f"{instance.name} ({instance.prefix}...)"
        record(user_id=instance.user_id, kind=EventKind.TOKEN_CREATED, detail=detail)


@receiver(post_delete, sender=ApiToken)
def note_token_revoked(instance: ApiToken, origin: Any, **kwargs: Any) -> None:
    if not _goes_with_user(origin):
        detail = f"{instance.name} ({instance.prefix}...)"
        record(user_id=instance.user_id, kind=EventKind.TOKEN_REVOKED, detail=detail)


def _meant(credentials: dict[str, Any]) -> list[User]:
    """Whose account was tried, looked up as sign-in does; nobody for an unknown name."""
    name, email = credentials.get("username"), credentials.get("email")
    found = list(filter_users_by_email(email, prefer_verified=True)) if email else []
    by_name = get_user_by_username(name) if name and not found else None
    return found or ([by_name] if by_name else [])


def _way(way: dict[str, Any]) -> str:
    if way.get("provider"):
        return f"wallet {way.get('uid', '')}".strip()
    if way.get("method") == "mfa":
        return FACTORS.get(way.get("type", ""), "second factor")
    return str(way.get("method", "")).replace("_", " ")


def _goes_with_user(origin: Any) -> bool:
    model = origin.model if isinstance(origin, QuerySet) else type(origin)
    return model is User
