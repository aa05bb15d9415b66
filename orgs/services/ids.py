"""Event ids: UUIDs of version 7, which carry the millisecond in which they were made."""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Final, TypeGuard

from django.utils.crypto import salted_hmac

FORM: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
)
SALT: Final = "orgs.derived_id"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def new_id(at: float | None = None) -> str:
    """A fresh UUIDv7 of now, or of ``at`` (seconds since 1970)."""
    milliseconds = int((time.time() if at is None else at) * 1000)
    return _written(milliseconds, secrets.randbits(12), secrets.randbits(62))


def derived_id(at: datetime, facts: str) -> str:
    """The one UUIDv7 of ``facts`` at ``at``: this desk derives the same again, and nobody else can,
    who could otherwise send an event of this id first."""
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1)
    chance = int.from_bytes(salted_hmac(SALT, facts, algorithm="sha256").digest()[:10])
    return _written(milliseconds, chance >> 62 & 0xFFF, chance & (1 << 62) - 1)


def _written(milliseconds: int, first: int, rest: int) -> str:
    """``first`` has 12 bits and ``rest`` 62."""
    value = milliseconds << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | rest
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def is_id(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and FORM.fullmatch(text) is not None


def moment_of(event_id: str) -> datetime:
    """When an id of the right form was made. Raises ``OverflowError`` beyond the year 9999."""
    return EPOCH + timedelta(milliseconds=int(event_id[:8] + event_id[9:13], 16))
