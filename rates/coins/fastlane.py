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
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import prometheus_client
from django.db import connections

from foundation.conditional import matches
from foundation.errors import RateLimited, envelope
from live import hub
from live.limits import Window, client_address
from live.scopes import Scope, arrived_securely
from live.wires import WHOLE
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
PLAN: Final = "quayside.coins"
READ: Final = frozenset({b"accept", b"accept-encoding", b"authorization", b"if-none-match"})
EMPTY: Final = {"type": "http.response.body", "body": b""}
LIMIT: Final = re.compile(rb"[1-9][0-9]{0,2}")
CONTENT_TYPES: Final = {"json": b"application/json", "csv": b"text/csv; charset=utf-8"}

window = Window()
_asked: dict[tuple[str, bytes, str], Asked | None] = {}
_answers: dict[tuple[Asked, bool], Answer] = {}
_answers_of = (0, 0)  # the version and the second that they are of
_packed: dict[tuple[int, Asked], bytes] = {}
_renewal: asyncio.Task[None] | None = None
_heard = 0


def takes(scope: Scope) -> bool:
    """Whether this door answers; if not, Django does."""
    _heed_notices()
    if scope["method"] not in ("GET", "HEAD") or board.memory.held is None:
        return False
    if board.memory.age >= SERVED or not arrived_securely(scope):
        return False
    given = _given(scope)
    if given is None or b"authorization" in given:
        return False
    wanted = asked(scope, given)
    if wanted is None:
        return False
    scope[PLAN] = (wanted, given)
    return True


async def coins(scope: Scope, receive: Any, send: Any) -> None:
    """Answer a request that ``takes`` accepted."""
    _renew()
    ready = board.memory.held
    wanted, given = scope[PLAN]
    assert ready is not None
    if wait := window.wait(client_address(scope), time.monotonic()):
        await _throttle(scope, send, wait)
        return
    encodings = given.get(b"accept-encoding")
    packed = encodings is not None and lane.takes_gzip(encodings.decode("latin-1"))
    answer = _answer(ready, wanted, packed=packed)
    held = given.get(b"if-none-match")
    if held is not None and matches(held.decode("latin-1"), answer.etag):
        _counter(scope["path"], 304).inc()
        if not _sent_whole(scope, 304, answer.unchanged_whole):
            await send(answer.unchanged)
            await send(EMPTY)
    else:
        _counter(scope["path"], 200).inc()
        bodiless = scope["method"] == "HEAD"
        if bodiless or not _sent_whole(scope, 200, answer.whole):
            await send(answer.start)
            await send(EMPTY if bodiless else answer.body)


def _sent_whole(scope: Scope, status: int, rest: bytes) -> bool:
    """Whether the server took the answer in one piece, which is a third cheaper."""
    take = scope.get("extensions", {}).get(WHOLE)
    return take is not None and take(status, rest)


class Answer(NamedTuple):
    """What is sent for one question in one second, made once."""

    etag: str
    start: dict[str, Any]
    body: dict[str, Any]
    unchanged: dict[str, Any]
    # The same two as bytes, without status line and date.
    whole: bytes
    unchanged_whole: bytes


def _answer(ready: board.Ready, wanted: Asked, *, packed: bool) -> Answer:
    global _answers_of
    key = (ready.shown.version, int(time.time()))
    if _answers_of != key:
        _answers_of = key
        _answers.clear()
    found = _answers.get((wanted, packed))
    if found is None:
        if len(_answers) >= KEPT:
            _answers.clear()
        found = _answers[wanted, packed] = _make(ready, wanted, key, packed=packed)
    return found


def _make(ready: board.Ready, wanted: Asked, key: tuple[int, int], *, packed: bool) -> Answer:
    content, etag = ready.body(wanted)
    texts = board.headers(ready.shown, datetime.fromtimestamp(key[1], UTC))
    shared = [(name.lower().encode(), value.encode()) for name, value in texts.items()]
    # Other bytes under a strong tag would be a lie.
    tag = (b"etag", (f"W/{etag}" if packed else etag).encode())
    shared += [tag, (b"vary", b"Accept, Accept-Encoding"), (b"x-content-type-options", b"nosniff")]
    own = [(b"content-type", CONTENT_TYPES[wanted.format])]
    if packed:
        content = _pack((ready.shown.version, wanted), content)
        own.append((b"content-encoding", b"gzip"))
    own.append((b"content-length", b"%d" % len(content)))
    return Answer(
        etag,
        {"type": "http.response.start", "status": 200, "headers": [*shared, *own]},
        {"type": "http.response.body", "body": content},
        {"type": "http.response.start", "status": 304, "headers": shared},
        _written([*shared, *own]) + content,
        _written(shared),
    )


def _written(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n"


def _given(scope: Scope) -> dict[bytes, bytes] | None:
    """The headers that matter here; ``None`` where one comes twice, which is Django's affair."""
    pairs = [pair for pair in scope["headers"] if pair[0] in READ]
    given = dict(pairs)
    return given if len(given) == len(pairs) else None


def asked(scope: Scope, given: Mapping[bytes, bytes]) -> Asked | None:
    """What is asked for, or ``None`` where Django must judge it."""
    accept = given.get(b"accept", b"").decode("latin-1")
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
    named = given.pop(b"fields", None)
    if wanted is None or given or not LIMIT.fullmatch(limit) or int(limit) > c.MOST or named == b"":
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
    headers: Headers = [(b"retry-after", b"%d" % wait), (b"content-type", CONTENT_TYPES["json"])]
    headers.append((b"content-length", b"%d" % len(body)))
    _counter(scope["path"], 429).inc()
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


_counters: dict[tuple[str, int], prometheus_client.Counter] = {}


def _counter(path: str, status: int) -> prometheus_client.Counter:
    found = _counters.get((path, status))
    if found is None:
        found = _counters[path, status] = lane.REQUESTS.labels(path, status)
    return found
