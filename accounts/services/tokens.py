"""API tokens: making, checking, revoking. A token is a secret of its own, with a part of the rights
of its user."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiToken, Scope, User
from accounts.services.roles import Role, holds
from accounts.signals import token_created, token_revoked
from foundation.commits import after_commit
from foundation.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated

# Lets people and scanners of leaked secrets see what it is.
BEGINNING: Final = "qs_"
SECRET_BYTES: Final = 32
FORM: Final = re.compile(r"qs_[A-Za-z0-9_-]{43}")
SHOWN: Final = len(BEGINNING) + 8

MAX_TOKENS: Final = 20
MAX_NAME: Final = 50
LIFETIME: Final = timedelta(days=90)
# How far behind "last used" may be.
RESOLUTION: Final = timedelta(minutes=1)


def tokens_of(user: User) -> list[ApiToken]:
    """Newest first, those that have expired included."""
    return list(ApiToken.objects.filter(user=user))


def scopes_for(user: User) -> list[Scope]:
    """What this user's tokens may be made for."""
    operator = holds(user, Role.OPERATOR)
    return [scope for scope in Scope if operator or scope is not Scope.OPERATOR]


@transaction.atomic
def create(
    *, user: User, name: str, scopes: Iterable[Scope], expires_at: datetime | None
) -> tuple[ApiToken, str]:
    """A new token, and its secret: the only time that anybody sees it.

    The caller asks for a recent proof first. Raises ``InvalidInput``, ``Forbidden`` for a scope
    beyond the user's rights, and ``Conflict`` when the user has ``MAX_TOKENS``.
    """
    wanted = _checked_scopes(user, scopes)
    if expires_at is not None and expires_at <= timezone.now():
        raise _wrong("expires_at", "The end must lie in the future.")
    # Of two requests at once the second waits here, and then counts the first one's token.
    User.objects.select_for_update().get(pk=user.pk)
    if ApiToken.objects.filter(user=user).count() >= MAX_TOKENS:
        raise Conflict(f"You have {MAX_TOKENS} tokens. Revoke one first.", code="too_many_tokens")
    secret = BEGINNING + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=_checked_name(name),
        prefix=secret[:SHOWN],
        digest=digest(secret),
        scopes=wanted,
        expires_at=expires_at,
    )
    after_commit(token_created.send, **_facts(token))
    return token, secret


@transaction.atomic
def revoke(*, user: User, token_id: int) -> None:
    """End a token at once. Raises ``NotFound`` for one that is gone, or somebody else's."""
    token = ApiToken.objects.select_for_update().filter(pk=token_id, user=user).first()
    if token is None:
        raise NotFound("You have no such token.")
    facts = _facts(token)
    token.delete()
    after_commit(token_revoked.send, **facts)


def authenticate(secret: str) -> ApiToken:
    """The token with this secret, its user loaded. Raises ``Unauthenticated``."""
    found = None
    if FORM.fullmatch(secret):
        # Found by digest, so how long this takes says nothing about the secret.
        found = ApiToken.objects.select_related("user").filter(digest=digest(secret)).first()
    if found is None:
        raise Unauthenticated("This token is not known, or was revoked.", code="invalid_token")
    if found.expired:
        raise Unauthenticated("This token has expired.", code="expired_token")
    if not found.user.is_active:
        raise Unauthenticated("This account is disabled.", code="account_inactive")
    return found


def note_use(token: ApiToken) -> None:
    """Remember that the token was used now, to the minute, without waiting for anybody."""
    now = timezone.now()
    due = now - RESOLUTION
    if token.last_used_at is not None and token.last_used_at > due:
        return
    stale = ApiToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=due), pk=token.pk)
    with transaction.atomic():
        # Whoever holds the row is writing the same, or deleting it.
        free = stale.select_for_update(skip_locked=True, of=("self",)).order_by()
        ApiToken.objects.filter(pk__in=free.values("pk")).update(last_used_at=now)


def digest(secret: str) -> str:
    """What is stored: 64 hex digits. 256 random bits need neither salt nor a slow hash."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _checked_name(name: str) -> str:
    text = name.strip()
    if not text or len(text) > MAX_NAME or not text.isprintable():
        raise _wrong("name", f"Use 1 to {MAX_NAME} printable characters.")
    return text


def _checked_scopes(user: User, scopes: Iterable[Scope]) -> list[Scope]:
    wanted = [scope for scope in Scope if scope in set(scopes)]
    if not wanted:
        raise _wrong("scopes", "Choose at least one scope.")
    if Scope.OPERATOR in wanted and Scope.OPERATOR not in scopes_for(user):
        raise Forbidden("Only operators make tokens for operators.", code="scope_not_allowed")
    return wanted


def _wrong(field: str, problem: str) -> InvalidInput:
    return InvalidInput(problem, fields={field: [problem]})


def _facts(token: ApiToken) -> dict[str, object]:
    return {
        "sender": ApiToken,
        "user_id": token.user_id,
        "token_id": token.pk,
        "name": token.name,
        "prefix": token.prefix,
    }
