"""Events into PostgreSQL: each counted once, by the transaction that stores it.

Rows are written sorted by their key in one collation, table after table in one order, whoever
writes: two writers then wait for each other and never deadlock. The sums are made from what was
let in, so a repeat adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from orgs.services.copying import WORTH_COPYING, store_new
from orgs.services.statements import ACTIONS, COUNTS, MAIL

T = TypeVar("T")
logger = structlog.get_logger(__name__)

# Sorted writers do not deadlock among themselves; somebody's manual UPDATE may be in between.
ATTEMPTS: Final = 5
STORED: Final = prometheus_client.Counter(
    "quayside_events_total", "Events received and counted", ["kind", "result"]
)


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
    if len(batch) >= WORTH_COPYING:
        try:
            return _store_new(batch)
        except IntegrityError as problem:
            if not isinstance(problem.__cause__, errors.UniqueViolation):
                raise
    return _store_any(batch)


def _store_new(batch: Batch) -> tuple[int, int]:
    with transaction.atomic(), _cursor() as cursor:
        store_new(cursor, batch)
    return len(batch.mail_ids), len(batch.action_ids)


def _store_any(batch: Batch) -> tuple[int, int]:
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


@contextmanager
def _cursor() -> Iterator[psycopg.Cursor[Any]]:
    """One that binds by the server, whose errors are Django's."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def _execute(statement: str, columns: list[Any]) -> int:
    """Run a statement with arrays bound by the server; the first figure of its answer."""
    with _cursor() as cursor:
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
