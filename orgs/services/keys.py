"""An organisation's API keys: making, checking, revoking."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.constants import EventKind
from accounts.models import User
from accounts.services.tokens import digest
from foundation.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from orgs.models import ApiKey, KeyScope, Organisation
from orgs.services import acts
from orgs.services.rights import Act, require

# Lets people and scanners of leaked secrets see what it is, and tells it from a user's token.
BEGINNING: Final = "qo_"
SECRET_BYTES: Final = 32
FORM: Final = re.compile(r"qo_[A-Za-z0-9_-]{43}")
SHOWN: Final = len(BEGINNING) + 8

MAX_KEYS: Final = 20
MAX_NAME: Final = 50
# How far behind "last used" may be.
RESOLUTION: Final = timedelta(minutes=1)


@transaction.atomic
def create(
    *,
    org: Organisation,
    by: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and its secret: the only time that anybody sees it.

    Raises ``Forbidden``, ``InvalidInput``, and ``Conflict`` when there are ``MAX_KEYS``.
    """
    require(by, org, Act.MANAGE)
    asked = set(scopes)
    wanted = [scope for scope in KeyScope if scope in asked]
    if not wanted or asked - set(KeyScope):
        raise _wrong("scopes", f"Choose from {', '.join(KeyScope)}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise _wrong("expires_at", "The end must lie in the future.")
    # Of two requests at once the second waits here, and then counts the first one's key.
    Organisation.objects.select_for_update().get(pk=org.pk)
    if org.api_keys.count() >= MAX_KEYS:
        raise Conflict(f"There are {MAX_KEYS} keys. Revoke one first.", code="too_many_keys")
    secret = BEGINNING + secrets.token_urlsafe(SECRET_BYTES)
    key = org.api_keys.create(
        name=_checked_name(name),
        prefix=secret[:SHOWN],
        digest=digest(secret),
        scopes=wanted,
        created_by=by,
        expires_at=expires_at,
    )
    detail = f"{key} for {', '.join(wanted)}"
    acts.note(org=org, by=by, kind=EventKind.ORG_KEY_MADE, detail=detail)
    return key, secret


@transaction.atomic
def revoke(*, org: Organisation, by: User, key_id: int) -> None:
    """End a key at once. Raises ``NotFound`` for one that is gone, or another organisation's."""
    require(by, org, Act.MANAGE)
    key = org.api_keys.select_for_update().filter(pk=key_id).first()
    if key is None:
        raise NotFound("This organisation has no such key.")
    key.delete()
    acts.note(org=org, by=by, kind=EventKind.ORG_KEY_REVOKED, detail=str(key))


def authenticate(secret: str) -> ApiKey:
    """The key with this secret: ``org_id`` and ``scopes``. Raises ``Unauthenticated``."""
    found = None
    if FORM.fullmatch(secret):
        # Found by digest, so how long this takes says nothing about the secret.
        found = ApiKey.objects.filter(digest=digest(secret)).first()
    if found is None:
        raise Unauthenticated("This key is not known, or was revoked.", code="invalid_token")
    if found.expired:
        raise Unauthenticated("This key has expired.", code="expired_token")
    return found


def note_use(key: ApiKey) -> None:
    """Remember that the key was used now, to the minute, without waiting for anybody."""
    now = timezone.now()
    due = now - RESOLUTION
    if key.last_used_at is not None and key.last_used_at > due:
        return
    with transaction.atomic():
        # Whoever holds the row is writing the same, or deleting it.
        stale = ApiKey.objects.filter(pk=key.pk).last_used_before(due).order_by()
        free = stale.select_for_update(skip_locked=True, of=("self",))
        ApiKey.objects.filter(pk__in=free.values("pk")).update(last_used_at=now)


def _checked_name(name: str) -> str:
    text = name.strip()
    if not text or len(text) > MAX_NAME or not text.isprintable():
        raise _wrong("name", f"Use 1 to {MAX_NAME} printable characters.")
    return text


def _wrong(field: str, problem: str) -> InvalidInput:
    return InvalidInput(problem, fields={field: [problem]})
