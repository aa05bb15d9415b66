"""Single-event ``PUT`` without Django: parse, wait for the group's commit, answer.

Only open doors are taken: whose key a request carries is for Django to say, as is everything that
is no such ``PUT``. Refusals are the services' own. No limit by address holds here, since one
sender's thousand events are the ordinary case; the queue's bound does.
"""

from __future__ import annotations

import asyncio
import json
import re
from functools import cache
from typing import Any, Final

import prometheus_client
from django.conf import settings
from django.utils import timezone

from foundation.errors import QuaysideError
from live.scopes import Scope, arrived_securely, header
from orgs.constants import KINDS
from orgs.services import singles
from orgs.services.group_commit import GroupCommit

DOOR: Final = "events"
ADDRESS: Final = re.compile(rf"(?:/v1)?/events/([^/]+)/({'|'.join(KINDS)})")
# Where this door may stand; ``takes`` looks at the rest of the address.
PREFIXES: Final = ("/v1/events/", "/events/")
REQUESTS: Final = prometheus_client.Counter(
    "quayside_event_puts_total", "Single events answered without Django", ["status"]
)
KEY: Final = b"idempotency-key"
NO_CONTENT: Final = {
    "type": "http.response.start",
    "status": 204,
    "headers": [(b"cache-control", b"no-store")],
}
EMPTY: Final = {"type": "http.response.body", "body": b""}

_group: GroupCommit | None = None


def takes(scope: Scope) -> bool:
    """Whether this door answers; if not, Django does."""
    return (
        scope["method"] == "PUT"
        and DOOR in settings.OPEN_ENDPOINTS
        and header(scope, b"authorization") is None
        and ADDRESS.fullmatch(scope["path"]) is not None
        and arrived_securely(scope)
    )


async def put_event(scope: Scope, receive: Any, send: Any) -> None:
    """Answer a request that ``takes`` accepted; 204 says that the event is durable."""
    address = ADDRESS.fullmatch(scope["path"])
    assert address is not None, "takes() has matched it"
    try:
        event = singles.read(address[1], address[2], header(scope, KEY), now=timezone.now())
        await group().count(event)
    except QuaysideError as refused:
        await _refuse(refused, send)
        return
    _counter(204).inc()
    await send(NO_CONTENT)
    await send(EMPTY)


def group() -> GroupCommit:
    """The one of the running loop."""
    global _group
    if _group is None or _group.loop is not asyncio.get_running_loop():
        _group = GroupCommit()
    return _group


async def stop() -> None:
    """Commit what waits; after the last request."""
    global _group
    ending, _group = _group, None
    if ending is not None:
        await ending.stop()


async def _refuse(refused: QuaysideError, send: Any) -> None:
    body = json.dumps(refused.envelope()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
    ]
    if refused.retry_after is not None:
        headers.append((b"retry-after", b"%d" % refused.retry_after))
    _counter(refused.status).inc()
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@cache
def _counter(status: int) -> prometheus_client.Counter:
    return REQUESTS.labels(status)
