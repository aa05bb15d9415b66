"""Single events that wait for one commit together, and are answered when it has happened.

One connection of our own writes for the whole process. While it commits, the next group gathers, so
that the group grows with the load. It lives on one event loop, and knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import django.db
import prometheus_client
import psycopg
import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections

from foundation.errors import QuaysideError, RateLimited, Unavailable
from orgs.constants import MailKind
from orgs.services import ingest
from orgs.services.batches import Batch
from orgs.services.own_connection import OwnConnection
from orgs.services.singles import Single
from orgs.services.statements import COUNTS, MAIL

logger = structlog.get_logger(__name__)

# The replaced system's client sends 10,000 at once and never repeats what is refused.
MAX_WAITING: Final = 20_000
# A commit that takes longer says that more would only wait longer.
SLOW_SECONDS: Final = 1.0
COMMIT_SECONDS: Final = 10.0
RETRY_AFTER: Final = 1
# Events with ids in one statement, which locks their domains until it commits.
MAX_KEYED: Final = 5_000

WAITING: Final = prometheus_client.Gauge(
    "quayside_event_queue", "Single events that wait for their commit"
)
COMMITS: Final = prometheus_client.Histogram(
    "quayside_event_commit_seconds",
    "Time to commit a group of single events",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

# Told instead of raised: a client that left retrieves no exception.
Outcome = QuaysideError | None
Waiting = tuple[Single, "asyncio.Future[Outcome]"]


class GroupCommit:
    """Takes events on the loop that it was made on; starts with the first of them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._plain: list[Waiting] = []
        self._keyed: list[Waiting] = []
        self._in_flight = 0
        self._began = 0.0
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._own = OwnConnection()
        self._ending = False

    @property
    def waiting(self) -> int:
        return len(self._plain) + len(self._keyed) + self._in_flight

    async def count(self, single: Single) -> None:
        """Return when the event is committed.

        Raises ``RateLimited`` where too many wait or a commit takes too long, and ``Unavailable``
        where it failed: an event without an id may then have been counted, or not.
        """
        if self.waiting >= MAX_WAITING or self._is_slow():
            raise RateLimited("Too many events wait. Send this one again.", retry_after=RETRY_AFTER)
        told: asyncio.Future[Outcome] = self.loop.create_future()
        (self._keyed if single.event_id else self._plain).append((single, told))
        self._wake()
        outcome = await told
        if outcome is not None:
            raise outcome

    async def stop(self) -> None:
        """Commit what waits, then let the connection go."""
        self._ending = True
        try:
            if self._task is not None:
                self._arrived.set()
                await self._task
        finally:
            await self._own.drop()

    def _is_slow(self) -> bool:
        return bool(self._began) and time.monotonic() - self._began > SLOW_SECONDS

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = self.loop.create_task(self._run())
        self._arrived.set()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._plain or self._keyed:
                # Two transactions: two sorted passes over one table in one could deadlock.
                plain, self._plain = self._plain, []
                await self._commit(plain, keyed=False)
                keyed, self._keyed = self._keyed[:MAX_KEYED], self._keyed[MAX_KEYED:]
                await self._commit(keyed, keyed=True)
            # Looked at last: what came before the end is still committed.
            if self._ending:
                return

    async def _commit(self, group: Sequence[Waiting], *, keyed: bool) -> None:
        if not group:
            return
        outcome: Outcome = Unavailable("The event could not be stored.", retry_after=RETRY_AFTER)
        self._in_flight, self._began = len(group), time.monotonic()
        WAITING.set(self.waiting)
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._store([single for single, _ in group], keyed=keyed)
            outcome = None
        except (psycopg.Error, django.db.Error, OSError, TimeoutError) as problem:
            # Django's come from making a missing day by its own connection.
            logger.warning("a group of events failed", events=len(group), error=repr(problem))
            await self._own.drop()
        finally:
            COMMITS.observe(time.monotonic() - self._began)
            self._in_flight, self._began = 0, 0.0
            WAITING.set(self.waiting)
            for _, told in group:
                if not told.done():
                    told.set_result(outcome)

    async def _store(self, events: Sequence[Single], *, keyed: bool) -> None:
        statement, columns = keyed_columns(events) if keyed else plain_columns(events)
        for left in reversed(range(ingest.ATTEMPTS)):
            connection = await self._own.ready()
            try:
                cursor = await connection.execute(statement, columns)
                row = await cursor.fetchone() if cursor.description else None
                break
            except psycopg.Error as problem:
                if not left or not await _mend(problem):
                    raise
        self._own.used = time.monotonic()
        accepted = row[0] if row else len(events)
        ingest.tell("mail", "accepted", accepted)
        ingest.tell("mail", "duplicate", len(events) - accepted)


def plain_columns(events: Sequence[Single]) -> tuple[str, list[Any]]:
    """The statement that counts events without ids, summed by domain, in the order of its keys."""
    sums: dict[str, list[int]] = {}
    for event in events:
        row = sums.get(event.domain)
        if row is None:
            row = sums[event.domain] = [0, 0]
        row[event.kind != MailKind.DELIVERED] += 1
    names = sorted(sums)
    return COUNTS, [names, [sums[n][0] for n in names], [sums[n][1] for n in names]]


def keyed_columns(events: Sequence[Single]) -> tuple[str, list[Any]]:
    batch = Batch()
    for event in events:
        assert event.ts is not None, "an id tells when it was made"
        batch.add_mail(event.event_id, event.ts.isoformat(), event.kind, event.domain)
    columns = [batch.mail_ids, batch.mail_times, batch.mail_kinds, batch.mail_domains]
    return MAIL, columns


@sync_to_async
def _mend(problem: psycopg.Error) -> bool:
    # No request ends here, so nothing else would give up a connection that the server dropped.
    close_old_connections()
    try:
        return ingest.mend(problem)
    finally:
        close_old_connections()
