"""Reads that may come from a streaming replica, and when they may not.

``DATABASES["replica"]`` is there where ``DATABASE_REPLICA_URL`` names one. Only what is wrapped in
``read`` ever goes to it: long reads for many people, whose answer may be a moment old. They come
from the primary instead

* while the replica is away, or more than ``REPLICA_MAX_LAG`` seconds behind;
* inside a transaction on the primary;
* for whoever has just written: by the same request or task, or, for ``REPLICA_PIN_SECONDS``, by an
  earlier request with the same session or token.

How far behind: the primary's position in its log is noted with the time once a second; the lag is
the age of the oldest note that the replica has not replayed (docs/decisions/0120).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, Final, TypeVar

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import Error, InterfaceError, OperationalError, connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

logger = structlog.get_logger(__name__)

PRIMARY: Final = "default"
REPLICA: Final = "replica"
# Seconds between two looks at both servers, and until a look that brought nothing counts.
LOOK_EVERY: Final = 1.0
FORGOTTEN_AFTER: Final = 3.0
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

Answer = TypeVar("Answer")

_reading: ContextVar[bool] = ContextVar("reading", default=False)
# What the running request or task is known to have done: ``None`` outside of one.
_visit: ContextVar[_Visit | None] = ContextVar("visit", default=None)


class _Visit:
    """One request: whether it wrote, and whether its sender wrote just before."""

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.wrote = False
        self._pinned: bool | None = None

    @property
    def pinned(self) -> bool:
        if self._pinned is None:
            self._pinned = bool(self.sender and cache.get(f"wrote:{self.sender}"))
        return self._pinned


class Router:
    """Django's router: models are read where the surrounding ``read`` reads."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return alias()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        note_write()
        return PRIMARY

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == PRIMARY


def configured() -> bool:
    return REPLICA in connections.settings


def alias() -> str:
    """The database that a read at this place is to ask."""
    return REPLICA if _reading.get() else PRIMARY


def read(work: Callable[[], Answer]) -> Answer:
    """What ``work`` answers, from the replica if that may be.

    ``work`` only reads, through models or ``cursor``. Where the replica fails it is done once more,
    by the primary.
    """
    if not _may():
        return work()
    token = _reading.set(True)
    try:
        return work()
    except (OperationalError, InterfaceError) as problem:
        lag.lost(problem)
    finally:
        _reading.reset(token)
    return work()


def reads(method: Callable[..., Answer]) -> Callable[..., Answer]:
    """For a view that only reads: all of it as one ``read``."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Answer:
        return read(partial(method, *args, **kwargs))

    return call


@contextmanager
def atomic() -> Iterator[None]:
    """A transaction where the surrounding ``read`` reads."""
    with transaction.atomic(using=alias()):
        yield


def cursor() -> Any:
    """A cursor where the surrounding ``read`` reads."""
    return connections[alias()].cursor()


def note_write() -> None:
    """The running request reads from the primary from now on, and so do its sender's next."""
    if (visit := _visit.get()) is not None:
        visit.wrote = True


def follow_writers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: who changed something sees it at once."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not configured():
            return get_response(request)
        visit = _Visit(_sender(request))
        token = _visit.set(visit)
        try:
            response = get_response(request)
        finally:
            _visit.reset(token)
        wrote = visit.wrote or request.method not in SAFE
        if wrote and visit.sender and response.status_code < 400:
            cache.set(f"wrote:{visit.sender}", 1, timeout=settings.REPLICA_PIN_SECONDS)
        return response

    return answer


def _sender(request: HttpRequest) -> str:
    """Who asks, as a digest: by token or by session; empty for nobody in particular."""
    held = request.headers.get("Authorization", "") or request.COOKIES.get(
        settings.SESSION_COOKIE_NAME, ""
    )
    return hashlib.sha256(held.encode()).hexdigest()[:32] if held else ""


def _may() -> bool:
    if _reading.get() or not configured() or connections[PRIMARY].in_atomic_block:
        return False
    visit = _visit.get()
    if visit is not None and (visit.wrote or visit.pinned):
        return False
    return lag.seconds() <= settings.REPLICA_MAX_LAG


class Lag:
    """How far this process believes the replica to be behind. A thread of its own looks, so that
    a replica that hangs keeps nobody waiting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watcher: threading.Thread | None = None
        # Positions of the primary that the replica had not reached, oldest first, with their times.
        self._ahead: deque[tuple[float, str]] = deque(maxlen=600)
        self._known_at = float("-inf")

    def seconds(self) -> float:
        """Infinite while it is not known."""
        self._watch()
        now = time.monotonic()
        if now - self._known_at > FORGOTTEN_AFTER:
            return float("inf")
        try:
            return now - self._ahead[0][0]
        except IndexError:
            return 0.0

    def lost(self, problem: Exception) -> None:
        """A read failed: the next look will tell when the replica may be asked again."""
        logger.warning("replica failed; read from the primary", error=repr(problem))
        self._known_at = float("-inf")
        # A connection that broke would fail the next read as well.
        connections[REPLICA].close()

    def _watch(self) -> None:
        # A thread does not live on in a forked process, and says so there.
        if self._watcher is not None and self._watcher.is_alive():
            return
        with self._lock:
            if self._watcher is None or not self._watcher.is_alive():
                self._watcher = threading.Thread(target=self._look_on, name="replica", daemon=True)
                self._watcher.start()

    def _look_on(self) -> None:
        while configured():
            try:
                self._look()
            except Error as problem:
                logger.warning("replica not asked", error=repr(problem))
                self._known_at = float("-inf")
                for name in (PRIMARY, REPLICA):
                    connections[name].close()
            time.sleep(LOOK_EVERY)

    def _look(self) -> None:
        began = time.monotonic()
        ((position,),) = _ask(PRIMARY, "SELECT pg_current_wal_flush_lsn()::text")
        self._ahead.append((began, position))
        reached = _ask(
            REPLICA,
            "SELECT pg_last_wal_replay_lsn() >= note::pg_lsn FROM unnest(%s::text[])"
            " WITH ORDINALITY AS notes (note, place) ORDER BY place",
            [[noted for _, noted in self._ahead]],
        )
        for (done,) in reached:
            # Null on a server that replays nothing, because it is no replica.
            if not done:
                break
            self._ahead.popleft()
        self._known_at = began


def _ask(name: str, statement: str, values: Any = None) -> list[Any]:
    with connections[name].cursor() as asked:
        asked.execute(statement, values)
        found: list[Any] = asked.fetchall()
    return found


lag: Final = Lag()
