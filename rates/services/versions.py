"""One rising number for every change of what the feed must know."""

from __future__ import annotations

from django.db import connection, transaction

# Any constant will do; it must differ from other advisory locks of this database.
LOCK = 0x5241544553  # "RATES"


def draw() -> int:
    """The next number. The lock is held until the transaction ends, so numbers commit in order.

    Raises ``TransactionManagementError`` outside a transaction.
    """
    serialise()
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('rates_version_seq')")
        (number,) = cursor.fetchone()
    return int(number)


def serialise() -> None:
    """Wait for other writers of spreads, halts and pairs until this transaction ends."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("version numbers need a transaction")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
