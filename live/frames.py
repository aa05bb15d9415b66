"""Events as ASGI messages: for a websocket one each, for an event stream one in all.

``position`` is the ``id:`` of an event stream: the client knows all its keys up to there.
``None`` leaves the client's position as it was, ``""`` forgets it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from live.board import Event

AsgiMessage = dict[str, Any]
Framer = Callable[[Sequence[Event], str | None], list[AsgiMessage]]


def for_websocket(events: Sequence[Event], position: str | None = None) -> list[AsgiMessage]:
    return [{"type": "websocket.send", "text": event.text} for event in events]


def for_stream(events: Sequence[Event], position: str | None = None) -> list[AsgiMessage]:
    lines = [f"event: {event.name}\ndata: {event.text}\n" for event in events]
    if lines and position is not None:
        lines[-1] = f"id: {position}\n{lines[-1]}"
    body = "\n".join([*lines, ""]).encode()
    return [{"type": "http.response.body", "body": body, "more_body": True}]


def error_event(envelope: dict[str, Any]) -> Event:
    return Event("error", json.dumps(envelope))
