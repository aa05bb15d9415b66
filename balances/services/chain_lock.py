"""One follower per chain: a lock of PostgreSQL, held by the very connection that writes.

A lock of a session does not survive a pool or a proxy that hands connections around, so the process
connects directly. If the connection breaks, the lock and the right to write end together.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.db import connection, connections

# Dead after 5 s of silence and three questions, two seconds apart, or 10 s without a receipt (ms).
OF_CLIENT: Final = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
OF_SERVER: Final = {
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class LockLost(Exception):
    """The connection that held the lock is gone; another follower may work by now."""


def connect_directly() -> None:
    """Let this process connect without a pool, and past a proxy where ``DATABASE_DIRECT_URL`` says
    how. To be called before the first query.

    A machine that is lost says no word, and its lock would keep every other follower out for as
    long as the kernel's own two hours: both ends look after each other from the fifth second on.
    """
    facts: dict[str, Any] = connections.settings["default"]
    facts["OPTIONS"].pop("pool", None)
    facts.update(settings.DATABASE_DIRECT)
    options: dict[str, Any] = facts.setdefault("OPTIONS", {})
    told = " ".join(f"-c {name}={value}" for name, value in OF_SERVER.items())
    options["options"] = " ".join([*options.get("options", "").split(), told])
    options.update(OF_CLIENT)


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
