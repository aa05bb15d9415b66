"""The monthly partitions of the candle table: made ahead, dropped after their time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import structlog
from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from rates.models import Candle1m

logger = structlog.get_logger(__name__)

TABLE = Candle1m._meta.db_table
AHEAD = 2
# Any constant that nobody else of the product uses; two processes must agree on it.
LOCK = 7_201
# Making a partition locks the whole table for a moment; it must not queue up behind a long query
# and stop every reader behind itself.
LOCK_TIMEOUT = "5s"

CHILDREN = """
SELECT child.relname FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = %s::regclass ORDER BY child.relname
"""
CREATE = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})")


def keep_partitions(now: datetime) -> None:
    """Have this month and the next two; drop months older than the retention. Safe to repeat."""
    current = first_of_month(now)
    make_partitions([shifted(current, months) for months in range(AHEAD + 1)])
    _drop_before(oldest_kept(now))


def oldest_kept(now: datetime) -> datetime:
    """The start of the oldest month whose candles are kept."""
    return shifted(first_of_month(now), -settings.RATES_CANDLE_RETENTION_MONTHS)


@transaction.atomic
def make_partitions(months: Iterable[datetime]) -> None:
    """Make the partitions of ``months`` (their first moments) that are missing."""
    missing = {name_of(month): month for month in months}
    if missing.keys() <= set(partitions()):
        return
    _serialise()
    for name in sorted(missing.keys() - set(partitions())):
        start = missing[name]
        words = [sql.Identifier(name), sql.Identifier(TABLE)]
        bounds = [sql.Literal(edge.isoformat()) for edge in (start, shifted(start, 1))]
        _execute(CREATE.format(*words, *bounds))
        logger.info("candle partition made", partition=name)


@transaction.atomic
def _drop_before(oldest: datetime) -> None:
    _serialise()
    for name in partitions():
        # The names sort like the months they hold.
        if name < name_of(oldest):
            _execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            logger.info("candle partition dropped", partition=name)


def partitions() -> list[str]:
    """The names of the partitions that stand, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(CHILDREN, [TABLE])
        return [name for (name,) in cursor.fetchall()]


def name_of(month: datetime) -> str:
    return f"{TABLE}_{month:%Y%m}"


def first_of_month(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return datetime(utc.year, utc.month, 1, tzinfo=UTC)


def shifted(month: datetime, months: int) -> datetime:
    """The first moment of the month that lies ``months`` after ``month``."""
    years, index = divmod(month.year * 12 + month.month - 1 + months, 12)
    return month.replace(year=years, month=index + 1)


def _serialise() -> None:
    """Hold everybody else who makes or drops partitions off until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _execute(statement: sql.Composed) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
