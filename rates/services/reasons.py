"""Why somebody did something: the one field that every decision must carry."""

from __future__ import annotations

from foundation.errors import InvalidInput

LONGEST = 500


def checked(reason: str) -> str:
    """The reason without outer spaces. Raises ``InvalidInput`` naming the field ``reason``."""
    text = reason.strip()
    if not text:
        raise _refused("Say why: the history shows it.")
    if len(text) > LONGEST:
        raise _refused(f"At most {LONGEST} characters, not {len(text)}.")
    # PostgreSQL stores neither NUL nor half of a surrogate pair.
    if any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in text):
        raise _refused("It holds characters that cannot be stored.")
    return text


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, code="bad_reason", fields={"reason": [message]})
