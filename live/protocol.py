"""What clients may ask for, checked: a frame becomes a ``Request`` or a ``Refused``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foundation.errors import QuaysideError
from live.limits import MAX_CHARACTERS, MAX_KEYS, MAX_THROTTLE_MS

TOO_LARGE = 1009
BAD_REQUEST = 4400
NOT_SIGNED_IN = 4401
NOT_ALLOWED = 4403
TOO_MANY = 4429
OPERATIONS = ("subscribe", "unsubscribe", "resync")
MAX_KEY_LENGTH = 64


class Refused(QuaysideError):
    """What a client asked for cannot be had.

    ``close`` is the websocket's close code, ``None`` where it stays open; ``http_status`` is
    what an event stream answers.
    """

    code = "bad_request"
    status = 400

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: Mapping[str, list[str]] | None = None,
        close: int | None = BAD_REQUEST,
        http_status: int = 400,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, code=code, fields=fields, retry_after=retry_after)
        self.close = close
        self.http_status = http_status


@dataclass(frozen=True)
class Request:
    """``keys`` is ``None`` for all; ``last`` maps key to seq in ``epoch``; ``throttle`` is in s."""

    op: str
    topic: str
    keys: frozenset[str] | None = None
    epoch: int | None = None
    last: Mapping[str, int] = field(default_factory=dict)
    throttle: float = 0.0


def too_many(message: str, code: str) -> Refused:
    return Refused(message, code=code, close=TOO_MANY, http_status=429, retry_after=5)


def parse(text: str | None) -> Request:
    """Read one frame of a client. Raises ``Refused``."""
    if text is None:
        raise Refused("Send text frames, not binary ones.", code="bad_json")
    if len(text) > MAX_CHARACTERS:
        message = f"At most {MAX_CHARACTERS} characters a frame."
        raise Refused(message, code="frame_too_large", close=TOO_LARGE)
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("This frame is not JSON.", code="bad_json") from error
    if not isinstance(asked, dict):
        raise Refused('Send an object such as {"op": "subscribe", "topic": "..."}.')
    op, topic = asked.get("op"), asked.get("topic")
    if op not in OPERATIONS:
        known = ", ".join(OPERATIONS)
        raise Refused("Unknown op.", code="unknown_op", fields={"op": [f"Known: {known}."]})
    if not isinstance(topic, str):
        raise _wrong("topic", "Name the topic as text.")
    return Request(
        op=op,
        topic=topic,
        keys=_keys(asked.get("keys")),
        epoch=_epoch(asked.get("epoch")),
        last=_last(asked.get("last")),
        throttle=_throttle(asked.get("throttle")),
    )


def checked_keys(keys: list[str]) -> frozenset[str]:
    """Raises ``Refused`` for too many keys, or too long ones."""
    if len(keys) > MAX_KEYS:
        raise too_many(f"At most {MAX_KEYS} keys at once.", "too_many_keys")
    if not keys or any(not 0 < len(key) <= MAX_KEY_LENGTH for key in keys):
        raise _wrong("keys", f"Give one or more keys of 1 to {MAX_KEY_LENGTH} characters.")
    return frozenset(keys)


def _keys(given: Any) -> frozenset[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(key, str) for key in given):
        raise _wrong("keys", "Give a list of texts, or leave it out for all keys.")
    return checked_keys(given)


def _epoch(given: Any) -> int | None:
    if given is not None and not _is_whole(given):
        raise _wrong("epoch", "Give a whole number.")
    return given  # type: ignore[no-any-return]


def _last(given: Any) -> Mapping[str, int]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(_is_whole(seq) for seq in given.values()):
        raise _wrong("last", "Give an object of key to whole number.")
    return given


def _throttle(given: Any) -> float:
    if given is None:
        return 0.0
    if not _is_whole(given) or not 0 <= given <= MAX_THROTTLE_MS:
        raise _wrong("throttle", f"Give whole milliseconds, 0 to {MAX_THROTTLE_MS}.")
    return float(given) / 1000


def _is_whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _wrong(name: str, reason: str) -> Refused:
    return Refused(f"Bad value for {name!r}.", fields={name: [reason]})
