"""Verdicts asked for at once, read together: while one question is out, the next ones gather.

It lives on one event loop, and knows nothing of HTTP. A question is asked of the database after it
came in, so that everybody reads what was committed before.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import django.db
import psycopg
import structlog

from foundation.errors import RateLimited, Unavailable
from orgs.services import verdicts
from orgs.services.own_connection import OwnConnection
from orgs.services.verdicts import Verdict

logger = structlog.get_logger(__name__)

MAX_WAITING: Final = 20_000
READ_SECONDS: Final = 10.0
RETRY_AFTER: Final = 1
# Both when the connection was lost while it rested, and after the next is made.
ATTEMPTS: Final = 2
COUNTERS: Final = """
SELECT domain, delivered, bounced FROM orgs_mail_domain WHERE domain = ANY(%s::text[])
"""

# Told instead of raised: a client that left retrieves no exception.
Found = dict[str, Verdict] | None


class GatheredReads:
    """Takes questions on the loop that it was made on; starts with the first of them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._own = OwnConnection()
        self._waiting: list[tuple[str, asyncio.Future[Found]]] = []
        self._task: asyncio.Task[None] | None = None

    async def verdict_of(self, domain: str) -> Verdict:
        """The verdict on a normalised domain.

        Raises ``RateLimited`` where too many wait, and ``Unavailable`` without a database.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise RateLimited("Too many questions wait.", retry_after=RETRY_AFTER)
        told: asyncio.Future[Found] = self.loop.create_future()
        self._waiting.append((domain, told))
        if self._task is None or self._task.done():
            self._task = self.loop.create_task(self._run())
        found = await told
        if found is None:
            raise Unavailable("The domain could not be looked up.", retry_after=RETRY_AFTER)
        return found.get(domain, Verdict.UNKNOWN)

    async def stop(self) -> None:
        """Answer who waits, then let the connection go."""
        try:
            if self._task is not None:
                await self._task
        finally:
            await self._own.drop()

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            found: Found = None
            try:
                async with asyncio.timeout(READ_SECONDS):
                    found = await self._read(sorted({domain for domain, _ in group}))
            except (psycopg.Error, django.db.Error, OSError, TimeoutError) as problem:
                logger.warning("verdicts could not be read", error=repr(problem))
                await self._own.drop()
            finally:
                for _, told in group:
                    if not told.done():
                        told.set_result(found)

    async def _read(self, domains: list[str]) -> dict[str, Verdict]:
        rows: list[Any] = []
        for left in reversed(range(ATTEMPTS)):
            connection = await self._own.ready()
            try:
                rows = await (await connection.execute(COUNTERS, [domains])).fetchall()
                break
            except psycopg.OperationalError:
                # A read may always be repeated, and the session may have ended while it rested.
                await self._own.drop()
                if not left:
                    raise
        self._own.used = time.monotonic()
        return {name: verdicts.judge(delivered, bounced) for name, delivered, bounced in rows}
