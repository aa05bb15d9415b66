"""The list of coins from this process's memory, without Django, in the same bytes as the views.

Only plain requests are taken; every mistake goes to Django. Memory that is older than a second is
renewed beside the requests; after five seconds without any request Django's answer renews it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from datetime import UTC, datetime
from typing import Any, Final

import prometheus_client
from django.db import connections

from foundation.conditional import matches
from foundation.errors import RateLimited, envelope
from live import hub
from live.limits import client_address
from live.scopes import Scope, arrived_securely, header
from rates import fastlane as lane
from rates.coins import constants as c
from rates.coins.services import board
from rates.coins.services.rendering import Asked

Headers = list[tuple[bytes, bytes]]

LISTS: Final = "/api/v1/coins"
FILES: Final = frozenset({"/coins.csv", "/api/v1/coins.csv"})
# Seconds for which memory may be served while it is being renewed.
SERVED: Final = 5.0
PATHS: Final = frozenset({LISTS, *FILES})
# Different questions that are remembered, and how long what they are told by may be.
KEPT: Final = 256
LONGEST: Final = 300
LIMIT: Final = re.compile(rb"[1-9][0-9]{0,2}")
CONTENT_TYPES: Final = {"json": b"application/json", "csv": b"text/csv; charset=utf-8"}

window = lane.Window()
_asked: dict[tuple[str, bytes, str], Asked | None] = {}
_headers: tuple[tuple[int, int], Headers] | None = None
_packed: dict[tuple[int, Asked], bytes] = {}
_renewal: asyncio.Task[None] | None = None
_heard = 0


def takes(scope: Scope) -> bool:
    """Whether this door answers; if not, Django does."""
    _heed_notices()
    return (
        scope["method"] in ("GET", "HEAD")
        and header(scope, b"authorization") is None
        and arrived_securely(scope)
        and board.memory.held is not None
        and board.memory.age < SERVED
        and asked(scope) is not None
    )


async def coins(scope: Scope, receive: Any, send: Any) -> None:
    """Answer a request that ``takes`` accepted."""
    _renew()
    ready, wanted = board.memory.held, asked(scope)
    assert ready is not None
    assert wanted is not None
    if wait := window.wait(client_address(scope), time.monotonic()):
        await _throttle(scope, send, wait)
        return
    content, etag = ready.body(wanted)
    headers = [*_shared(ready), (b"vary", b"Accept, Accept-Encoding")]
    packed = lane.takes_gzip(header(scope, b"accept-encoding"))
    # Other bytes under a strong tag would be a lie.
    headers.append((b"etag", (f"W/{etag}" if packed else etag).encode()))
    if matches(header(scope, b"if-none-match"), etag):
        await _send(scope, send, 304, b"", headers)
        return
    headers.append((b"content-type", CONTENT_TYPES[wanted.format]))
    if packed:
        content = _pack((ready.shown.version, wanted), content)
        headers.append((b"content-encoding", b"gzip"))
    await _send(scope, send, 200, content, headers)


def asked(scope: Scope) -> Asked | None:
    """What is asked for, or ``None`` where Django must judge it."""
    accept = header(scope, b"accept") or ""
    key = (scope["path"], scope["query_string"], accept)
    if len(accept) > LONGEST or len(key[1]) > LONGEST:
        return None
    if key not in _asked:
        if len(_asked) >= KEPT:
            _asked.clear()
        _asked[key] = _read(*key)
    return _asked[key]


def _read(path: str, query: bytes, accept: str) -> Asked | None:
    given: dict[bytes, bytes] = {}
    for part in query.split(b"&") if query else []:
        name, _, value = part.partition(b"=")
        if name in given:
            return None
        given[name] = value
    wanted = _format(path, accept, given.pop(b"format", None))
    limit = given.pop(b"limit", b"%d" % c.USUAL)
    named = given.pop(b"fields", b"")
    if wanted is None or given or not LIMIT.fullmatch(limit) or int(limit) > c.MOST:
        return None
    chosen = set(named.decode("latin-1").split(",")) if named else set()
    if not chosen <= set(c.FIELDS):
        return None
    fields = tuple(name for name in c.FIELDS if name in c.PLAIN_FIELDS or name in chosen)
    return Asked(int(limit), wanted, fields)


def _format(path: str, accept: str, named: bytes | None) -> str | None:
    if path in FILES:
        return "csv" if named in (None, b"csv") else None
    if named is not None:
        # What Accept says counts beside it only where it excludes the named one: Django's affair.
        plain = accept in ("", "*/*")
        return named.decode() if plain and named in (b"json", b"csv") else None
    if accept == "text/csv":
        return "csv"
    return "json" if lane.wants_json(accept or None) else None


def _heed_notices() -> None:
    """Who was just told of a change must not be given the list from before it."""
    global _heard
    notice = hub.current().latest(c.TOPIC).get("price")
    if notice is not None and notice.seq > _heard:
        _heard = notice.seq
        board.memory.doubt()


def _renew() -> None:
    """Look for a newer list beside the requests, one look at a time."""
    global _renewal
    if board.memory.age > board.BELIEVED and (_renewal is None or _renewal.done()):
        _renewal = asyncio.get_running_loop().create_task(asyncio.to_thread(_look))


def _look() -> None:
    try:
        board.memory.refresh()
    finally:
        # A thread that no request ends would keep its connection for good.
        connections.close_all()


def _shared(ready: board.Ready) -> Headers:
    """The headers that every answer of this second has."""
    global _headers
    key = (ready.shown.version, int(time.time()))
    if _headers is None or _headers[0] != key:
        texts = board.headers(ready.shown, datetime.fromtimestamp(key[1], UTC))
        made = [(name.lower().encode(), value.encode()) for name, value in texts.items()]
        _headers = (key, [*made, (b"x-content-type-options", b"nosniff")])
    return _headers[1]


def _pack(key: tuple[int, Asked], content: bytes) -> bytes:
    if key not in _packed:
        if len(_packed) >= board.MEMOISED:
            _packed.clear()
        _packed[key] = gzip.compress(content, mtime=0)
    return _packed[key]


async def _throttle(scope: Scope, send: Any, wait: int) -> None:
    plural = "" if wait == 1 else "s"
    text = f"Request was throttled. Expected available in {wait} second{plural}."
    body = json.dumps(envelope(RateLimited.code, text), separators=(",", ":")).encode()
    headers = [(b"retry-after", b"%d" % wait), (b"content-type", CONTENT_TYPES["json"])]
    await _send(scope, send, 429, body, headers)


async def _send(scope: Scope, send: Any, status: int, body: bytes, headers: Headers) -> None:
    _counter(scope["path"], status).inc()
    if status != 304:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": shown})


_counters: dict[tuple[str, int], prometheus_client.Counter] = {}


def _counter(path: str, status: int) -> prometheus_client.Counter:
    found = _counters.get((path, status))
    if found is None:
        found = _counters[path, status] = lane.REQUESTS.labels(path, status)
    return found
