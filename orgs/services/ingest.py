"""Events into PostgreSQL: each counted once, by the transaction that stores it.

Rows are written sorted by their key in one collation, table after table in one order, whoever
writes: two writers then wait for each other and never deadlock. The sums are made from what the
first insert let in, so a repeat adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import prometheus_client
import psycopg
import structlog
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from psycopg import errors

from orgs.constants import MailKind
from orgs.services import partitions
from orgs.services.batches import Batch

T = TypeVar("T")
logger = structlog.get_logger(__name__)

# Sorted writers do not deadlock among themselves; somebody's manual UPDATE may be in between.
ATTEMPTS: Final = 5
STORED: Final = prometheus_client.Counter(
    "quayside_events_total", "Events received and counted", ["kind", "result"]
)

MAIL: Final = """
WITH src AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::int2[], %s::text[])
        AS t(event_id, ts, kind, domain)
), ins AS (
    INSERT INTO orgs_mail_event (day, event_id, ts, kind, domain)
    SELECT (ts AT TIME ZONE 'UTC')::date, event_id, ts, kind, domain FROM src ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING kind, domain
), agg AS (
    SELECT domain COLLATE "C" AS domain, count(*) FILTER (WHERE kind = 1) AS delivered,
        count(*) FILTER (WHERE kind = 2) AS bounced
    FROM ins GROUP BY 1
), dom AS (
    INSERT INTO orgs_mail_domain AS d (domain, delivered, bounced)
    SELECT domain, delivered, bounced FROM agg ORDER BY domain
    ON CONFLICT (domain) DO UPDATE SET delivered = d.delivered + excluded.delivered,
        bounced = d.bounced + excluded.bounced
    RETURNING 1
)
SELECT (SELECT count(*) FROM ins) AS accepted, (SELECT count(*) FROM dom) AS domains
"""

ACTIONS: Final = """
WITH src AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::int8[], %s::int8[], %s::text[])
        AS t(event_id, ts, org_id, user_id, name)
), ins AS (
    INSERT INTO orgs_event (day, event_id, ts, org_id, user_id, name)
    SELECT (ts AT TIME ZONE 'UTC')::date, event_id, ts, org_id, user_id, name
    FROM src ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING day, org_id, user_id, ts
), oud AS (
    INSERT INTO orgs_org_user_day (day, org_id, user_id)
    SELECT DISTINCT day, org_id, user_id FROM ins ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING RETURNING day, org_id, user_id
), d AS (
    INSERT INTO orgs_org_day AS o (day, org_id, actions, dau)
    SELECT i.day, i.org_id, i.a, coalesce(u.n, 0)
    FROM (SELECT day, org_id, count(*) AS a FROM ins GROUP BY 1, 2) i
    LEFT JOIN (SELECT day, org_id, count(*) AS n FROM oud GROUP BY 1, 2) u USING (day, org_id)
    ORDER BY 2, 1
    ON CONFLICT (org_id, day) DO UPDATE SET actions = o.actions + excluded.actions,
        dau = o.dau + excluded.dau
    RETURNING 1
), s AS (
    INSERT INTO orgs_stat AS o (org_id, actions, last_active_at)
    SELECT org_id, count(*), max(ts) FROM ins GROUP BY 1 ORDER BY 1
    ON CONFLICT (org_id) DO UPDATE SET actions = o.actions + excluded.actions,
        last_active_at = greatest(o.last_active_at, excluded.last_active_at)
    RETURNING 1
), ud AS (
    INSERT INTO orgs_user_day (day, user_id)
    SELECT DISTINCT day, user_id FROM oud ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT (SELECT count(*) FROM ins) AS accepted, (SELECT count(*) FROM oud) AS new_pairs,
    (SELECT count(*) FROM d) AS org_days, (SELECT count(*) FROM s) AS orgs,
    (SELECT count(*) FROM ud) AS new_users
"""

# Counters of events without ids: domains in sorted order, deliveries, bounces.
COUNTS: Final = """
INSERT INTO orgs_mail_domain AS d (domain, delivered, bounced)
SELECT * FROM unnest(%s::text[], %s::int8[], %s::int8[])
ON CONFLICT (domain) DO UPDATE SET delivered = d.delivered + excluded.delivered,
    bounced = d.bounced + excluded.bounced
"""


@dataclass(frozen=True)
class Stored:
    """``accepted`` events are counted now; ``duplicates`` were before, or twice in one batch."""

    accepted: int
    duplicates: int


def store(batch: Batch) -> Stored:
    """Count a batch, durably, in one transaction. Safe to repeat with the same ids."""
    mail, actions = repeated(lambda: _store(batch))
    _tell("mail", mail, len(batch.mail_ids))
    _tell("action", actions, len(batch.action_ids))
    return Stored(mail + actions, len(batch) - mail - actions)


def count_one(domain: str, kind: MailKind) -> None:
    """Count an event that carries no id, durably: a repeat counts again."""
    row = [[domain], [int(kind == MailKind.DELIVERED)], [int(kind == MailKind.BOUNCED)]]
    repeated(lambda: _execute(COUNTS, row))
    tell("mail", "accepted", 1)


def _store(batch: Batch) -> tuple[int, int]:
    with transaction.atomic():
        mail = actions = 0
        if batch.mail_ids:
            mail = _execute(
                MAIL, [batch.mail_ids, batch.mail_times, batch.mail_kinds, batch.mail_domains]
            )
        if batch.action_ids:
            times, orgs = batch.action_times, batch.action_orgs
            row = [batch.action_ids, times, orgs, batch.action_users, batch.action_names]
            actions = _execute(ACTIONS, row)
    return mail, actions


def _execute(statement: str, columns: list[Any]) -> int:
    """Run a statement with arrays bound by the server; the first figure of its answer."""
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,
    ):
        cursor.execute(statement, columns)
        row = cursor.fetchone() if cursor.description else None
    return int(row[0]) if row else 0


def repeated(attempt: Callable[[], T]) -> T:
    """Repeat what was rolled back for no fault of its own, and make a day that is missing."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return attempt()
        except (OperationalError, IntegrityError) as problem:
            # Inside of somebody's transaction only they can begin again.
            if not left or connection.in_atomic_block or not mend(problem.__cause__):
                raise
    raise AssertionError("the last attempt returns or raises")


def mend(problem: BaseException | None) -> bool:
    """Whether a repeat can succeed; makes partitions where they are what was missing."""
    if isinstance(problem, (errors.DeadlockDetected, errors.SerializationFailure)):
        logger.warning("events are stored again", error=str(problem))
        return True
    if isinstance(problem, errors.CheckViolation):
        # Somebody's worker or beat has been away for days.
        logger.error("partitions of events were missing")
        partitions.make_ahead(timezone.now())
        return True
    return False


def _tell(kind: str, accepted: int, sent: int) -> None:
    tell(kind, "accepted", accepted)
    tell(kind, "duplicate", sent - accepted)


def tell(kind: str, result: str, count: int) -> None:
    if count:
        STORED.labels(kind, result).inc(count)
