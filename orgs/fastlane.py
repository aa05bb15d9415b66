"""Single events and verdicts without Django: parse, wait for the group's answer, pass it on.

An event comes through the open door, or with an organisation's key that was good some seconds ago;
everything else is for Django to say. Refusals are the services' own, or the API's. No limit by
address holds for events, since one sender's thousand events are the ordinary case; the bound of the
queue does. Guesses of keys are counted by address, and verdicts have the API's limit.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from functools import cache
from typing import Any, Final

import prometheus_client
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from rest_framework.exceptions import APIException

from accounts.fastlane import refuse as refuse_as_api
from foundation.conditional import ALWAYS_ASK
from foundation.errors import Forbidden, QuaysideError, RateLimited
from live.limits import Window, client_address
from live.scopes import Scope, arrived_securely, header
from orgs.authentication import RememberedKeys
from orgs.constants import KINDS
from orgs.models import ApiKey, KeyScope
from orgs.permissions import NEEDS_SCOPE
from orgs.services import keys, singles
from orgs.services.domains import normalise
from orgs.services.gathered_reads import GatheredReads
from orgs.services.group_commit import GroupCommit

DOOR: Final = "events"
ADDRESS: Final = re.compile(rf"(?:/v1)?/events/([^/]+)/({'|'.join(KINDS)})")
KEYED: Final = re.compile(rf"bearer {keys.BEGINNING}", re.IGNORECASE)
# Where this door may stand; ``takes`` looks at the rest of the address.
PREFIXES: Final = ("/v1/events/", "/events/")
QUESTION: Final = re.compile(r"(?:/v1/domain|/domains)/([^/]+)")
VERDICT_PREFIXES: Final = ("/v1/domain/", "/domains/")
PLAIN: Final = (None, "", "*/*", "application/json")
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

VERDICTS: Final = prometheus_client.Counter(
    "quayside_verdicts_total", "Verdicts told without Django", ["status"]
)
ANSWERED: Final = [
    (b"content-type", b"application/json"),
    (b"cache-control", ALWAYS_ASK.encode()),
    (b"vary", b"Accept"),
    (b"x-content-type-options", b"nosniff"),
]

window = Window()
_group: GroupCommit | None = None
_reads: GatheredReads | None = None
_keys: RememberedKeys | None = None


def takes(scope: Scope) -> bool:
    """Whether this door answers; if not, Django does."""
    return (
        scope["method"] == "PUT"
        and _may_be_let_in(header(scope, b"authorization"))
        and ADDRESS.fullmatch(scope["path"]) is not None
        and arrived_securely(scope)
    )


def _may_be_let_in(credential: str | None) -> bool:
    if credential is None:
        return DOOR in settings.OPEN_ENDPOINTS
    return KEYED.match(credential) is not None


async def put_event(scope: Scope, receive: Any, send: Any) -> None:
    """Answer a request that ``takes`` accepted; 204 says that the event is durable."""
    address = ADDRESS.fullmatch(scope["path"])
    assert address is not None, "takes() has matched it"
    credential = header(scope, b"authorization")
    try:
        if credential is not None:
            _check_scope(await known_keys().key_of(scope, credential))
        event = singles.read(address[1], address[2], header(scope, KEY), now=timezone.now())
        await group().count(event)
    except QuaysideError as refused:
        await _refuse(refused, send)
        return
    except (APIException, InterfaceError, OperationalError) as problem:
        _counter(REQUESTS, await refuse_as_api(problem, send)).inc()
        return
    _counter(REQUESTS, 204).inc()
    await send(NO_CONTENT)
    await send(EMPTY)


def _check_scope(key: ApiKey) -> None:
    if KeyScope.EVENTS not in key.scopes:
        raise Forbidden(NEEDS_SCOPE, code="insufficient_scope")


def known_keys() -> RememberedKeys:
    """Those of the running loop."""
    global _keys
    if _keys is None or _keys.loop is not asyncio.get_running_loop():
        _keys = RememberedKeys()
    return _keys


def group() -> GroupCommit:
    """The one of the running loop."""
    global _group
    if _group is None or _group.loop is not asyncio.get_running_loop():
        _group = GroupCommit()
    return _group


def takes_question(scope: Scope) -> bool:
    """Whether the door of verdicts answers; if not, Django does."""
    return (
        scope["method"] == "GET"
        and not scope["query_string"]
        and header(scope, b"authorization") is None
        and header(scope, b"accept") in PLAIN
        and QUESTION.fullmatch(scope["path"]) is not None
        and arrived_securely(scope)
    )


async def get_verdict(scope: Scope, receive: Any, send: Any) -> None:
    """Answer a request that ``takes_question`` accepted."""
    address = QUESTION.fullmatch(scope["path"])
    assert address is not None, "takes_question() has matched it"
    try:
        if wait := window.wait(client_address(scope), time.monotonic()):
            raise RateLimited(_throttled(wait), retry_after=wait)
        verdict = await reads().verdict_of(normalise(address[1]))
    except QuaysideError as refused:
        await _refuse(refused, send, VERDICTS)
        return
    _counter(VERDICTS, 200).inc()
    body = b'"%s"' % verdict.encode()
    headers = [*ANSWERED, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _throttled(wait: int) -> str:
    """As the views say it."""
    return f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."


def reads() -> GatheredReads:
    """Those of the running loop."""
    global _reads
    if _reads is None or _reads.loop is not asyncio.get_running_loop():
        _reads = GatheredReads()
    return _reads


async def stop() -> None:
    """Commit and answer what waits; after the last request."""
    global _group, _reads, _keys
    for ending in (_group, _reads):
        if ending is not None:
            await ending.stop()
    _group = _reads = _keys = None


async def _refuse(
    refused: QuaysideError, send: Any, counted: prometheus_client.Counter = REQUESTS
) -> None:
    body = json.dumps(refused.envelope()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
    ]
    if refused.retry_after is not None:
        headers.append((b"retry-after", b"%d" % refused.retry_after))
    _counter(counted, refused.status).inc()
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@cache
def _counter(counted: prometheus_client.Counter, status: int) -> prometheus_client.Counter:
    return counted.labels(status)
