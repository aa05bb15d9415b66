"""Issuing nonces and using them up."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from accounts.ethereum.constants import NONCE_LIFE, Purpose
from accounts.ethereum.models import WalletNonce


def issue(*, session_key: str, purpose: Purpose, now: datetime) -> WalletNonce:
    return WalletNonce.objects.create(
        nonce=secrets.token_hex(16),
        session_key_hash=_hash(session_key),
        purpose=purpose,
        expires_at=now + NONCE_LIFE,
    )


def consume(*, nonce: str, session_key: str, purpose: Purpose, now: datetime) -> bool:
    """Use the nonce up; ``False`` when it was not there to use.

    One conditional update, so of any number of attempts at once exactly one gets ``True``. A
    nonce of another session is left to its owner.
    """
    fresh = WalletNonce.objects.filter(
        nonce=nonce,
        session_key_hash=_hash(session_key),
        purpose=purpose,
        consumed_at=None,
        expires_at__gt=now,
    )
    return fresh.update(consumed_at=now) == 1


def purge(*, now: datetime) -> int:
    """Delete what can no longer be used; return how many."""
    deleted, _ = WalletNonce.objects.filter(expires_at__lte=now).delete()
    return deleted


def _hash(session_key: str) -> str:
    """A reader of this table must not be able to take over sessions."""
    return hashlib.sha256(session_key.encode()).hexdigest()
