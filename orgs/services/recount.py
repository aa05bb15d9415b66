"""Counting again: the desk's days from their rows, and counters against the raw events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db import connection

from orgs.constants import ACCEPTED_DAYS

ROLL: Final = """
INSERT INTO orgs_day AS d (day, actions, dau)
SELECT %(day)s, a.actions, u.dau
FROM (SELECT coalesce(sum(actions), 0) AS actions FROM orgs_org_day WHERE day = %(day)s) a,
    (SELECT count(*) AS dau FROM orgs_user_day WHERE day = %(day)s) u
WHERE a.actions > 0
ON CONFLICT (day) DO UPDATE SET actions = excluded.actions, dau = excluded.dau
WHERE (d.actions, d.dau) IS DISTINCT FROM (excluded.actions, excluded.dau)
"""

# The roll-ups of a day beside the same figures from its raw events, where they differ.
DIFFERENCES: Final = """
SELECT org_id, coalesce(o.actions, 0), coalesce(r.actions, 0), coalesce(o.dau, 0),
    coalesce(r.dau, 0)
FROM (SELECT org_id, actions, dau FROM orgs_org_day WHERE day = %(day)s) o
FULL JOIN (
    SELECT org_id, count(*) AS actions, count(DISTINCT user_id) AS dau
    FROM orgs_event WHERE day = %(day)s GROUP BY 1
) r USING (org_id)
WHERE (o.actions, o.dau) IS DISTINCT FROM (r.actions, r.dau) ORDER BY org_id LIMIT 100
"""


def roll(days: Iterable[date]) -> None:
    """Fill the desk's rows of ``days``. A counter that every writer bumps would make all wait."""
    with connection.cursor() as cursor:
        for day in sorted(days):
            cursor.execute(ROLL, {"day": day})


def open_days(now: datetime) -> list[date]:
    """The days that late events may still change, today last."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(ACCEPTED_DAYS, -1, -1)]


def differences(day: date) -> list[tuple[int, int, int, int, int]]:
    """Organisations whose counters do not agree with the raw events of ``day``, at most 100.

    Each as id, actions counted, actions in the raw events, users counted, users in the raw events.
    Empty when all is well. Asks only days whose raw events are kept.
    """
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, {"day": day})
        return list(cursor.fetchall())
