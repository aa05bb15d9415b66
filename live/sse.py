"""The event-stream door: ``GET /api/v1/live?topics=rates:live&keys=BTC_USD,ETH_USD``.

A plain ASGI callable of the fast lane. ``data:`` lines hold the same JSON as websocket frames. With
one topic ``id:`` is its position, and ``Last-Event-ID`` resumes from there; several topics start
from a full snapshot.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from foundation.errors import envelope
from live import hub
from live.clients import Client
from live.connections import Connection, Send
from live.fanout import Fan
from live.frames import for_stream
from live.limits import MAX_TOPICS
from live.protocol import Refused, Request, checked_keys, too_many
from live.scopes import Scope, header

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]
MAX_FIELDS = 10
POSITION = re.compile(r"(\d{1,18}):(\d{1,18})")
# Tells browsers to come back after this many milliseconds; pages add jitter of their own.
RETRY = b"retry: 2000\n\n"


async def stream(scope: Scope, receive: Any, send: Send) -> None:
    """Answer one request, for as long as the client stays."""
    if scope["method"] not in ("GET", "HEAD"):
        body = envelope("method_not_allowed", "Only GET and HEAD are answered here.")
        await _answer(send, 405, body, [(b"allow", b"GET, HEAD")])
        return
    hub.current().start()
    client = Client(hub.current(), scope, send, for_stream)
    try:
        client.arrive()
        wishes = [(wish, await client.permitted(wish)) for wish in read_query(scope)]
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        if scope["method"] == "GET":
            await send({"type": "http.response.body", "body": RETRY, "more_body": True})
            _show(client, wishes, resume_position(scope))
            await _until_gone(client.connection, receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except Refused as refused:
        client.hub.counters.refused += 1
        retry = refused.retry_after
        headers = [] if retry is None else [(b"retry-after", str(retry).encode())]
        await _answer(send, refused.http_status, refused.envelope(), headers)
    finally:
        client.leave()


def read_query(scope: Scope) -> list[Request]:
    """The subscriptions that the query asks for, one or more. Raises ``Refused``."""
    try:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=MAX_FIELDS)
    except ValueError as error:
        reasons = [f"At most {MAX_FIELDS} fields."]
        raise Refused("The query is too long.", fields={"query": reasons}) from error
    topics = _listed(query.get("topics", []))
    keys = _listed(query.get("keys", []))
    if not topics:
        raise Refused("Name one or more topics.", fields={"topics": ["Required."]})
    if len(topics) > MAX_TOPICS:
        raise too_many(f"At most {MAX_TOPICS} topics.", "too_many_subscriptions")
    if keys and len(topics) > 1:
        raise Refused("Keys belong to one topic.", fields={"keys": ["Name only one topic."]})
    wanted = checked_keys(keys) if keys else None
    return [Request(op="subscribe", topic=topic, keys=wanted) for topic in topics]


def _listed(values: list[str]) -> list[str]:
    return list(dict.fromkeys(item for value in values for item in value.split(",") if item))


def resume_position(scope: Scope) -> tuple[int, int] | None:
    """What ``Last-Event-ID`` says; anything unreadable counts as nothing."""
    found = POSITION.fullmatch(header(scope, b"last-event-id") or "")
    return None if found is None else (int(found[1]), int(found[2]))


def _show(client: Client, wishes: list[tuple[Request, Fan]], after: tuple[int, int] | None) -> None:
    """Join every topic, then send its snapshot, or what changed since."""
    joined = [client.join(wish, fan) for wish, fan in wishes]
    for subscription in joined:
        mask = subscription.mask
        if after is not None and len(joined) == 1:
            mask = subscription.fan.board.after(mask, after)
        client.connection.show(subscription, mask)


async def _until_gone(connection: Connection, receive: Any) -> None:
    """Wait until the client leaves or the server ends it."""
    waiting = {
        asyncio.create_task(_disconnected(receive)),
        asyncio.create_task(connection.lost.wait()),
    }
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _disconnected(receive: Any) -> bool:
    while (await receive())["type"] != "http.disconnect":
        continue
    return True


async def _answer(
    send: Send, status: int, body: dict[str, Any], headers: Sequence[tuple[bytes, bytes]]
) -> None:
    text = json.dumps(body).encode()
    length = (b"content-length", str(len(text)).encode())
    start = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), length]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *headers]})
    await send({"type": "http.response.body", "body": text, "more_body": False})
