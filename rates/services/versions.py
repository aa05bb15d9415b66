"""One rising number for every change of what the feed must know."""

from __future__ import annotations

from django.db import connection, transaction

# Any constant will do; it must differ from other advisory locks of this database.
LOCK = 0x5241544553  # "RATES"
# The number is drawn from the lock's row, so not before the lock is held.
DRAW = """
WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(%s))
SELECT nextval('rates_version_seq') FROM held
"""


def draw() -> int:
    """The next number. The lock is held until the transaction ends, so numbers commit in order.

    Raises ``TransactionManagementError`` outside a transaction.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(DRAW, [LOCK])
        (number,) = cursor.fetchone()
    return int(number)


def serialise() -> None:
    """Wait for other writers of spreads, halts and pairs until this transaction ends."""
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("version numbers need a transaction")
