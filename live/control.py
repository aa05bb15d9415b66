"""Rare messages for all hubs at once: whose session has ended, who may no longer hear a topic.

They travel on a Valkey channel of their own. One that is lost, while Valkey is away, is made up for
by nobody: permission is checked anew when a client subscribes, which it does after any reconnect.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from foundation import valkey

logger = structlog.get_logger(__name__)

CONTROL: Final = b"live:control"


@dataclass(frozen=True, slots=True)
class Order:
    """One of a session's digest, a token's id and a user's key; ``topic`` narrows the last."""

    session: str = ""
    token: str = ""
    user: str = ""
    topic: str = ""


def digest(session_key: str) -> str:
    """What names a session on the channel: whoever reads along must not be able to use it."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def end_session(session_key: str) -> None:
    """Close the sockets and streams that were opened with this session."""
    _send({"session": digest(session_key)})


def end_token(token_id: int) -> None:
    """Close what was opened with this API token."""
    _send({"token": str(token_id)})


def withdraw(*, user_id: Any, topic: str = "") -> None:
    """Take ``topic`` from the user's connections; without one, close all of them."""
    _send({"user": str(user_id), "topic": topic})


def read(raw: bytes) -> Order:
    """Raises ``ValueError`` for anything but an order."""
    order = json.loads(raw)
    if not isinstance(order, dict):
        raise ValueError("no object")
    return Order(**{name: str(order.get(name, "")) for name in Order.__dataclass_fields__})


def _send(order: dict[str, str]) -> None:
    try:
        valkey.client().publish(CONTROL.decode(), json.dumps(order))
    except RedisError as problem:
        # What ended is ended in the database; a socket without Valkey hears nothing new anyway.
        logger.warning("control message lost", error=repr(problem))
