"""One follower per chain: a lock of PostgreSQL, held by the very connection that writes.

A lock of a session does not survive a pool or a proxy that hands connections around, so the process
connects directly. If the connection breaks, the lock and the right to write end together.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection, connections


class LockLost(Exception):
    """The connection that held the lock is gone; another follower may work by now."""


def connect_directly() -> None:
    """Let this process connect without a pool, and past a proxy where ``DATABASE_DIRECT_URL`` says
    how. To be called before the first query."""
    facts: dict[str, Any] = connections.settings["default"]
    facts["OPTIONS"].pop("pool", None)
    facts.update(settings.DATABASE_DIRECT)


class ChainLock:
    """Of this thread's connection."""

    def __init__(self, chain_id: int) -> None:
        self._key = f"follow_chain:{chain_id}"
        self._holder: Any = None

    def take(self) -> bool:
        """Whether this process follows the chain from now on. Raises database errors."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [self._key])
            (taken,) = cursor.fetchone()
        self._holder = connection.connection if taken else None
        return bool(taken)

    def check(self) -> None:
        """Raises ``LockLost``. Django opens a new connection without a word when one broke."""
        holder = self._holder
        if holder is None or connection.connection is not holder or holder.closed:
            raise LockLost(self._key)

    def release(self) -> None:
        """Give the lock back, if it is still ours. Raises database errors."""
        holder, self._holder = self._holder, None
        if holder is not None and connection.connection is holder and not holder.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [self._key])
