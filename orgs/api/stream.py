"""``GET /api/metrics/orgs-stream?chunkSize=1000``: every organisation in rank order, as it is read.

The walk stays in one copy of the board, so that nobody is missed or told twice. Each message's id
is ``copy-rank``; ``Last-Event-ID`` goes on from there, and begins again, saying so, where that copy
is gone. Between two messages neither a transaction nor a thread is held.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

import structlog
from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from foundation import replica
from foundation.cancellation import cancel_and_wait
from foundation.errors import QuaysideError, RateLimited
from foundation.queries import StrictQuery
from live.limits import Seats, client_address
from live.scopes import user_of
from orgs.api.doors import MetricsView
from orgs.services import board as boards
from orgs.services import search
from orgs.services.board import BoardCopy, Period

logger = structlog.get_logger(__name__)

DEFAULT_CHUNK, MAX_CHUNK = 1000, 5000
# Streams at once in one process: each keeps a database connection busy most of the time.
MAX_STREAMS: Final = 16
# Of these, for one address: nobody takes them all.
MAX_OF_ADDRESS: Final = 4
# Seconds in which a client takes a message in, or its seat is free again.
SEND_TIMEOUT: Final = 30.0
POSITION: Final = re.compile(r"(\d{1,18})-(\d{1,10})")
RETRY: Final = b"retry: 3000\n\n"
MEDIA_TYPE: Final = "text/event-stream; charset=utf-8"
HEADERS: Final = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]

running = 0
seats = Seats(lambda: MAX_OF_ADDRESS)


class StreamQuery(StrictQuery):
    chunkSize = serializers.IntegerField(min_value=1, max_value=MAX_CHUNK, default=DEFAULT_CHUNK)


class Walk:
    """One client's way through a copy: what it has been sent, and what comes next."""

    def __init__(self, chunk_size: int, last_event_id: str) -> None:
        """Begins, or goes on where ``Last-Event-ID`` says."""
        self.chunk_size = chunk_size
        found = POSITION.fullmatch(last_event_id)
        # Both where its rows are read: a replica may not have the newest copy yet.
        copy = replica.read(lambda: boards.copy(Period.ALL, int(found[1])) if found else None)
        self.began_again = found is not None and copy is None
        self.copy: BoardCopy = copy or replica.read(lambda: boards.newest(Period.ALL))
        self.sent = int(found[2]) if found and copy else 0

    @property
    def done(self) -> bool:
        return self.sent >= self.copy.total

    def beginning(self) -> bytes:
        if not self.began_again:
            return RETRY
        return RETRY + _message("reset", self._id(), {"version": self.copy.version})

    def next_message(self) -> bytes:
        """The next chunk. Raises ``Unavailable`` when the copy has been dropped."""
        chunk = search.chunk(self.copy, after=self.sent, rows=self.chunk_size)
        self.sent = chunk.last if chunk.size else self.copy.total
        progress = _json({"sent": self.sent, "total": self.copy.total})
        return _event("", self._id(), f'{{"data":[{chunk.text}],"progress":{progress}}}')

    def ending(self) -> bytes:
        return _message("end", self._id(), {"total": self.copy.total})

    def _id(self) -> str:
        return f"{self.copy.version}-{self.sent}"

    def __iter__(self) -> Iterator[bytes]:
        yield self.beginning()
        while not self.done:
            yield self.next_message()
        yield self.ending()


class StreamView(MetricsView):
    """What the lane below answers, where there is none: under WSGI, and in the documentation."""

    @extend_schema(
        summary="Every organisation in rank order, as server-sent events",
        description="Messages hold `data` and `progress {sent, total}`; the last event is `end`. "
        "`Last-Event-ID` resumes; 204 says that there is nothing left.",
        parameters=[
            StreamQuery,
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER),
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR, 204: None},
    )
    def get(self, request: Request) -> HttpResponseBase:
        walk = self.walk(request)
        if walk.done and walk.sent:
            return HttpResponse(status=204)
        told = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(iter(walk), content_type=MEDIA_TYPE, headers=told)

    def walk(self, request: Request) -> Walk:
        query = StreamQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Walk(query.validated_data["chunkSize"], request.headers.get("Last-Event-ID", ""))

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Clients accept event streams, which no renderer of ours makes; refusals are JSON."""
        return self.get_renderers()[0], "application/json"


def takes(scope: Any) -> bool:
    """Whether the lane answers this; what is no plain read is refused by Django."""
    return bool(scope["method"] == "GET")


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """The lane. It ends its work as soon as the client has gone."""
    global running  # one count for the process
    address = client_address(scope)
    if running >= MAX_STREAMS or not seats.take(address):
        refused = RateLimited("Too many streams at once.", retry_after=5)
        await _refuse(send, refused.status, refused.envelope(), {"Retry-After": "5"})
        return
    running += 1
    try:
        found = await _admit(scope, await user_of(scope))
        if isinstance(found, Response):
            await _refuse(send, found.status_code, found.data, dict(found.items()))
        elif found.done and found.sent:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await _send_all(found, receive, send)
    finally:
        running -= 1
        seats.free(address)


async def _send_all(walk: Walk, receive: Any, send: Any) -> None:
    gone = asyncio.create_task(_disconnected(receive))
    try:
        await _send_walk(walk, gone, send)
    except TimeoutError:
        # Its seat is for somebody who reads; whoever comes back has their position.
        logger.info("stream not read", sent=walk.sent)
    finally:
        await cancel_and_wait({gone})


async def _send_walk(walk: Walk, gone: asyncio.Task[None], send: Any) -> None:
    try:
        await _tell(send, {"type": "http.response.start", "status": 200, "headers": HEADERS})
        await _tell(send, _part(walk.beginning()))
        while not (walk.done or gone.done()):
            await _tell(send, _part(await _next(walk)))
        await _tell(send, _part(walk.ending(), last=True))
    except QuaysideError as refused:
        # The status has gone out; the client comes back with its position, and is told to begin.
        error = _message("error", None, refused.envelope())
        await _tell(send, _part(error, last=True))


async def _tell(send: Any, message: dict[str, Any]) -> None:
    """Raises ``TimeoutError`` where the client takes nothing in for ``SEND_TIMEOUT``."""
    async with asyncio.timeout(SEND_TIMEOUT):
        await send(message)


def _part(body: bytes, *, last: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": not last}


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _read_next(walk: Walk) -> bytes:
    return walk.next_message()


def _ask(scope: Any, user: Any) -> Walk | Response:
    """What the view's own checks say: authentication, rights, limits and the query."""
    request = ASGIRequest(scope, BytesIO())
    request.user = user
    view = StreamView()
    view.setup(request)
    checked = view.initialize_request(request)
    view.request = checked
    view.headers = view.default_response_headers
    try:
        view.initial(checked)
        return view.walk(checked)
    except Exception as problem:  # noqa: BLE001  # the view's handler raises what it does not know
        return view.handle_exception(problem)


# Threads of the pool, so that a long walk never stands in the way of Django's one thread.
_next = database_sync_to_async(_read_next, thread_sensitive=False)
_admit = database_sync_to_async(_ask, thread_sensitive=False)


def _message(event: str, identity: str | None, body: Any) -> bytes:
    return _event(event, identity, _json(body))


def _json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _event(event: str, identity: str | None, data: str) -> bytes:
    lines = [f"event: {event}"] if event else []
    if identity is not None:
        lines.append(f"id: {identity}")
    return "\n".join([*lines, f"data: {data}", "", ""]).encode()


async def _refuse(send: Any, status: int, body: Any, headers: dict[str, str]) -> None:
    text = json.dumps(body).encode()
    told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    own = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    kept = [pair for pair in told if pair[0] not in (b"content-type", b"content-length")]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *kept]})
    await send({"type": "http.response.body", "body": text})
