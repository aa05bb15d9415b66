"""Events as ASGI messages: for a websocket one each, for an event stream one in all.

``position`` is the ``id:`` of an event stream: the client knows all its keys up to there.
``None`` leaves the client's position as it was, ``""`` forgets it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from live.board import Event
from live.wires import text_frame

AsgiMessage = dict[str, Any]


class Frames(NamedTuple):
    """What is sent in one go. ``raw`` says the same in bytes for a wire; empty if there is none."""

    messages: list[AsgiMessage]
    raw: bytes = b""


Framer = Callable[[Sequence[Event], str | None], Frames]


def for_websocket(events: Sequence[Event], position: str | None = None) -> Frames:
    return Frames([{"type": "websocket.send", "text": event.text} for event in events])


def for_wire(events: Sequence[Event], position: str | None = None) -> Frames:
    raw = b"".join([text_frame(event.text.encode()) for event in events])
    return for_websocket(events)._replace(raw=raw)


def for_stream(events: Sequence[Event], position: str | None = None) -> Frames:
    lines = [f"event: {event.name}\ndata: {event.text}\n" for event in events]
    if lines and position is not None:
        lines[-1] = f"id: {position}\n{lines[-1]}"
    body = "\n".join([*lines, ""]).encode()
    return Frames([{"type": "http.response.body", "body": body, "more_body": True}])


def error_event(envelope: dict[str, Any]) -> Event:
    return Event("error", json.dumps(envelope))
