"""A batch of new events by ``COPY``, which takes two thirds of the time that asking for each does.

``COPY`` knows no ``ON CONFLICT``: one id that is there already refuses it whole, and the caller
stores the batch the other way. Retries are rare, so most batches are new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import psycopg

from orgs.constants import MailKind
from orgs.services.batches import Batch
from orgs.services.statements import COPY_ACTIONS, COPY_MAIL, STORED_ACTIONS, STORED_MAIL

# Fewer are stored as quickly by one statement.
WORTH_COPYING: Final = 200
DAY: Final = len("2026-01-31")


def store_new(cursor: psycopg.Cursor[Any], batch: Batch) -> None:
    """Store and count a batch in the running transaction.

    Raises psycopg's ``UniqueViolation`` when one of its ids is known, or stands in it twice.
    """
    if batch.mail_ids:
        _mail(cursor, batch)
    if batch.action_ids:
        _actions(cursor, batch)


def _mail(cursor: psycopg.Cursor[Any], batch: Batch) -> None:
    rows = [
        (ts[:DAY], event_id.lower(), ts, kind, domain)
        for event_id, ts, kind, domain in zip(
            batch.mail_ids, batch.mail_times, batch.mail_kinds, batch.mail_domains, strict=True
        )
    ]
    # As the statements sort: whoever writes the same events waits, and nobody deadlocks.
    rows.sort()
    lines = (f"{day}\t{key}\t{ts}\t{kind:d}\t{domain}\n" for day, key, ts, kind, domain in rows)
    _copy(cursor, COPY_MAIL, lines)
    delivered = Counter(row[4] for row in rows if row[3] == MailKind.DELIVERED)
    bounced = Counter(row[4] for row in rows if row[3] == MailKind.BOUNCED)
    names = sorted(delivered.keys() | bounced.keys())
    sums = [_array([counts[name] for name in names]) for counts in (delivered, bounced)]
    days = Counter(row[0] for row in rows)
    totals = [_array(list(column)) for column in (days.keys(), days.values())]
    cursor.execute(STORED_MAIL, [_array(names), *sums, *totals])


def _actions(cursor: psycopg.Cursor[Any], batch: Batch) -> None:
    days = [ts[:DAY] for ts in batch.action_times]
    ids = (event_id.lower() for event_id in batch.action_ids)
    times, orgs, users = batch.action_times, batch.action_orgs, batch.action_users
    # Names are printable, so this is all that COPY would read as something else.
    names = (name.replace("\\", "\\\\") for name in batch.action_names)
    rows = sorted(zip(days, ids, times, orgs, users, names, strict=True))
    lines = (
        f"{day}\t{key}\t{ts}\t{org}\t{user}\t{name}\n" for day, key, ts, org, user, name in rows
    )
    _copy(cursor, COPY_ACTIONS, lines)
    cursor.execute(STORED_ACTIONS, [_array(column) for column in (days, orgs, users, times)])


def _copy(cursor: psycopg.Cursor[Any], statement: str, lines: Iterable[str]) -> None:
    with cursor.copy(statement) as copy:
        copy.write("".join(lines))


def _array(values: Sequence[object]) -> str:
    """A PostgreSQL array of what needs no escape: numbers, times and domain names.

    Quoted, since ``null`` is a domain name. psycopg would look at each value for its type.
    """
    return '{"' + '","'.join(map(str, values)) + '"}'
