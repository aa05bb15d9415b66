"""The daily partitions of the event tables: made ahead, dropped after their time.

Writers never wait here: a partition is made as a table of its own and then attached, and detached
without stopping anybody before it is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import structlog
from django.db import connection, transaction
from psycopg import sql

from orgs.constants import DAYS_AHEAD, PAIR_DAYS, RAW_DAYS
from orgs.models import Event, MailEvent, OrgUserDay, UserDay

logger = structlog.get_logger(__name__)

# How many days back each table is kept.
KEPT: Final = {
    Event._meta.db_table: RAW_DAYS,
    MailEvent._meta.db_table: RAW_DAYS,
    OrgUserDay._meta.db_table: PAIR_DAYS,
    UserDay._meta.db_table: PAIR_DAYS,
}
# Any constant that nobody else of the product uses; two processes must agree on it.
LOCK: Final = 7_301
LOCK_TIMEOUT: Final = "5s"

# Tables that were detached and not yet dropped are named like partitions and have no parent.
STANDING = """
SELECT c.relname, i.inhparent IS NOT NULL, coalesce(i.inhdetachpending, false)
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
  AND c.relname ~ ('^' || %s || '_[0-9]{8}$')
ORDER BY c.relname
"""
MAKE = sql.SQL("CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
ATTACH = sql.SQL("ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})")
DETACH = sql.SQL("ALTER TABLE {table} DETACH PARTITION {name} CONCURRENTLY")
FINISH = sql.SQL("ALTER TABLE {table} DETACH PARTITION {name} FINALIZE")
DROP = sql.SQL("DROP TABLE {name}")


def make_ahead(now: datetime) -> None:
    """Have the days that events may name, and the next ones. Safe to repeat, and at once."""
    today = now.astimezone(UTC).date()
    make(today + timedelta(days=offset) for offset in range(-RAW_DAYS, DAYS_AHEAD + 1))


@transaction.atomic
def make(days: Iterable[date], tables: Collection[str] = tuple(KEPT)) -> None:
    """Make the partitions of ``days`` that are missing from ``tables``."""
    wanted = {name_of(table, day): (table, day) for day in days for table in tables}
    if wanted.keys() <= _attached():
        return
    _serialise()
    for name in sorted(wanted.keys() - _attached()):
        _make(name, *wanted[name])


def drop_old(now: datetime) -> None:
    """Drop the days that are kept no longer. Outside of any transaction; safe to repeat."""
    today = now.astimezone(UTC).date()
    for table, days in KEPT.items():
        oldest = name_of(table, today - timedelta(days=days))
        for name, attached, pending in _standing(table):
            # The names sort like the days they hold.
            if name < oldest:
                _drop(table, name, attached=attached, pending=pending)


def days_missing(now: datetime) -> list[str]:
    """Partitions that events of today and tomorrow need and do not have."""
    today = now.astimezone(UTC).date()
    needed = {name_of(table, today + timedelta(days=ahead)) for table in KEPT for ahead in (0, 1)}
    return sorted(needed - _attached())


def tables_exist() -> bool:
    """Whether the migration that makes them has run."""
    return set(KEPT) <= set(connection.introspection.table_names())


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _make(name: str, table: str, day: date) -> None:
    words = {"name": sql.Identifier(name), "table": sql.Identifier(table)}
    edges = {
        "first": sql.Literal(day.isoformat()),
        "end": sql.Literal((day + timedelta(days=1)).isoformat()),
    }
    _execute(MAKE.format(**words))
    _execute(ATTACH.format(**words, **edges))
    logger.info("event partition made", partition=name)


def _drop(table: str, name: str, *, attached: bool, pending: bool) -> None:
    words = {"name": sql.Identifier(name), "table": sql.Identifier(table)}
    if attached:
        _execute((FINISH if pending else DETACH).format(**words))
    _execute(DROP.format(name=words["name"]))
    logger.info("event partition dropped", partition=name)


def _attached() -> set[str]:
    return {name for table in KEPT for name, attached, _ in _standing(table) if attached}


def _standing(table: str) -> list[tuple[str, bool, bool]]:
    """Name, whether it is attached, and whether a detachment was cut short; oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(STANDING, [table])
        return list(cursor.fetchall())


def _serialise() -> None:
    """Hold everybody else who makes partitions off until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _execute(statement: sql.Composed) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
