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
    # Neither what PostgreSQL cannot store nor what makes a history read otherwise than it was said.
    if not all(char.isprintable() or char in "\r\n\t" for char in text):
        raise _refused("It holds characters that cannot be shown.")
    return text


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, code="bad_reason", fields={"reason": [message]})
