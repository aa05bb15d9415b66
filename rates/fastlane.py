"""``GET /api/v1/rates`` from the hub's memory: the same bytes as the view, without Django.

Only the plain request is taken: JSON, known pairs or all of them, and a hub that has heard the
board. Everything else, every mistake included, goes to Django, so that no rule stands here twice.
Each process counts the requests of an address by itself, against the API's own rate.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import prometheus_client

from foundation.conditional import ALWAYS_ASK, matches
from foundation.errors import RateLimited, envelope
from live import hub
from live.limits import Window, client_address
from live.messages import Message
from live.scopes import Scope, arrived_securely, header
from rates.constants import TOPIC
from rates.services import board

Headers = list[tuple[bytes, bytes]]

# Different selections of pairs that are kept ready between two ticks.
MEMOISED: Final = 64
REQUESTS: Final = prometheus_client.Counter(
    "quayside_fast_lane_requests_total", "Requests answered without Django", ["path", "status"]
)
NO_WEIGHT: Final = {"q=0", "q=0.0", "q=0.00", "q=0.000"}
SHARED: Final[Headers] = [
    (b"vary", b"Accept, Accept-Encoding"),
    (b"cache-control", ALWAYS_ASK.encode()),
    (b"x-content-type-options", b"nosniff"),
]


class Ready:
    """Bodies of one version of the board, made when first asked for."""

    def __init__(self) -> None:
        self.version: tuple[int, int] | None = None
        self.shown: dict[str, Message] = {}
        self.silent = False
        self.made: dict[bytes, tuple[bytes, str] | None] = {}
        self.packed: dict[bytes, bytes] = {}

    def answer(self, query: bytes) -> tuple[bytes, str] | None:
        """The body and entity tag for a query string, or ``None`` when Django must judge it."""
        hearing = hub.current()
        version = (id(hearing), hearing.version(TOPIC))
        if version != self.version:
            self.silent = hearing.is_silent(TOPIC)
            self.shown = board.in_order(hearing.latest(TOPIC).values(), silent=self.silent)
            self.version, self.made, self.packed = version, {}, {}
        if query not in self.made:
            if len(self.made) >= MEMOISED:
                self.made, self.packed = {}, {}
            self.made[query] = self._make(query)
        return self.made[query]

    def pack(self, query: bytes, body: bytes) -> bytes:
        """What ``answer`` gave for ``query``, compressed once."""
        if query not in self.packed:
            self.packed[query] = gzip.compress(body, mtime=0)
        return self.packed[query]

    def _make(self, query: bytes) -> tuple[bytes, str] | None:
        named = selection(query)
        if named is None or not self.shown:
            return None
        chosen: list[Message] = []
        for code in named or self.shown:
            if code not in self.shown:
                return None
            chosen.append(self.shown[code])
        return board.join(chosen), board.etag(chosen, silent=self.silent)


_ready = Ready()
_window = Window()


def takes(scope: Scope) -> bool:
    """Whether this door answers; if not, Django does."""
    return (
        scope["method"] in ("GET", "HEAD")
        and wants_json(header(scope, b"accept"))
        # Whose token that is, and whether it is good, is for Django to say.
        and header(scope, b"authorization") is None
        and arrived_securely(scope)
        and hub.current().ready
        and _ready.answer(scope["query_string"]) is not None
    )


async def rates(scope: Scope, receive: Any, send: Any) -> None:
    """Answer a request that ``takes`` accepted."""
    wait = _window.wait(client_address(scope), time.monotonic())
    found = _ready.answer(scope["query_string"])
    if wait or found is None:
        await _send(scope, send, 429, _throttled(wait), [(b"retry-after", b"%d" % wait)])
        return
    body, etag = found
    packed = takes_gzip(header(scope, b"accept-encoding"))
    # Other bytes under a strong tag would be a lie; Django's lane holds the same tag, unweakened.
    headers = [*SHARED, (b"etag", (f"W/{etag}" if packed else etag).encode())]
    if matches(header(scope, b"if-none-match"), etag):
        await _send(scope, send, 304, b"", headers)
    elif packed:
        body = _ready.pack(scope["query_string"], body)
        await _send(scope, send, 200, body, [*headers, (b"content-encoding", b"gzip")])
    else:
        await _send(scope, send, 200, body, headers)


async def _send(scope: Scope, send: Any, status: int, body: bytes, headers: Headers) -> None:
    _counter(scope["path"], status).inc()
    start = list(headers)
    if status != 304:
        start += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": shown})


def wants_json(accept: str | None) -> bool:
    """Whether plain JSON is what ``Accept`` asks for; anything that needs weighing is Django's."""
    if accept is None or accept == "*/*":
        return True
    types = [item.split(";")[0].strip() for item in accept.split(",")]
    plain = "q=" not in accept and types[0] in ("application/json", "*/*")
    return plain and not {"text/html", "text/csv"} & set(types)


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is named, with any weight but zero."""
    for item in (accept_encoding or "").lower().split(","):
        coding, _, weight = item.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in NO_WEIGHT
    return False


def selection(query: bytes) -> tuple[str, ...] | None:
    """The pairs that are named, ``()`` for all, ``None`` for what Django must judge."""
    if not query or query == b"format=json":
        return ()
    try:
        given: Iterable[tuple[str, str]] = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=2
        )
    except ValueError:
        return None
    found = dict(given)
    if found.pop("format", "json") != "json" or found.keys() != {"pairs"}:
        return None
    named = tuple(dict.fromkeys(item.strip() for item in found["pairs"].split(",")))
    return named if all(named) and len(named) <= board.MAX_PAIRS else None


def _throttled(wait: int) -> bytes:
    plural = "" if wait == 1 else "s"
    text = f"Request was throttled. Expected available in {wait} second{plural}."
    return json.dumps(envelope(RateLimited.code, text), separators=(",", ":")).encode()


@cache
def _counter(path: str, status: int) -> prometheus_client.Counter:
    return REQUESTS.labels(path, status)
