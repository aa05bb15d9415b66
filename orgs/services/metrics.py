"""Daily, weekly and monthly users, of the desk and of one organisation, from the roll-ups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from foundation import replica

WEEK, MONTH = 7, 30
MAX_DAYS: Final = 365

DESK_DAYS: Final = """
SELECT d.day::date, coalesce(t.actions, 0), coalesce(t.dau, 0)
FROM generate_series(%s::date, %s::date, interval '1 day') d(day)
LEFT JOIN orgs_day t ON t.day = d.day::date ORDER BY 1
"""
ORG_DAYS: Final = """
SELECT d.day::date, coalesce(t.actions, 0), coalesce(t.dau, 0)
FROM generate_series(%s::date, %s::date, interval '1 day') d(day)
LEFT JOIN orgs_org_day t ON t.org_id = %s AND t.day = d.day::date ORDER BY 1
"""
ORG_USERS: Final = """
SELECT count(DISTINCT user_id) FROM orgs_org_user_day
WHERE org_id = %s AND day > %s AND day <= %s
"""


@dataclass(frozen=True, slots=True)
class DayCount:
    """A day (UTC), its actions, and the distinct users who acted."""

    day: date
    actions: int
    dau: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, and what it was in the period of the same length before."""

    now: int | float
    before: int | float

    @property
    def growth(self) -> float | None:
        """As a fraction: 0.25 is a quarter more. ``None`` where it began at nothing."""
        return (self.now - self.before) / self.before if self.before else None


@dataclass(frozen=True, slots=True)
class Headline:
    """An organisation at a glance. A week is 7 days and a month 30, the last day included."""

    day: date
    dau: Figure
    wau: Figure
    mau: Figure
    # The share of a month's users who are there on an average day of it, from 0 to 1.
    stickiness: Figure
    actions: Figure


@replica.reads
def desk_days(*, first: date, last: date) -> list[DayCount]:
    """The desk's days, oldest first; days without an event are zeros. At most a minute old."""
    return [DayCount(*row) for row in _rows(DESK_DAYS, [first, last])]


@replica.reads
def org_days(org_id: int, *, first: date, last: date) -> list[DayCount]:
    """An organisation's days, oldest first; exact after every commit."""
    return [DayCount(*row) for row in _rows(ORG_DAYS, [first, last, org_id])]


def org_users(org_id: int, *, last: date, days: int) -> int:
    """How many different users acted in the ``days`` that end with ``last``."""
    found: int = _rows(ORG_USERS, [org_id, last - timedelta(days=days), last])[0][0]
    return found


@replica.reads
def headline(org_id: int, last: date) -> Headline:
    """Each figure of the period that ends with ``last``, and of the one before it."""
    days = org_days(org_id, first=last - timedelta(days=2 * MONTH - 1), last=last)
    month, before = days[MONTH:], days[:MONTH]
    mau = _users(org_id, last, MONTH)
    return Headline(
        day=last,
        dau=Figure(days[-1].dau, days[-2].dau),
        wau=_users(org_id, last, WEEK),
        mau=mau,
        stickiness=Figure(_stickiness(month, mau.now), _stickiness(before, mau.before)),
        actions=Figure(sum(day.actions for day in month), sum(day.actions for day in before)),
    )


def _users(org_id: int, last: date, days: int) -> Figure:
    earlier = last - timedelta(days=days)
    return Figure(
        org_users(org_id, last=last, days=days), org_users(org_id, last=earlier, days=days)
    )


def _stickiness(days: Sequence[DayCount], users: float) -> float:
    return sum(day.dau for day in days) / len(days) / users if users else 0.0


def _rows(statement: str, values: Sequence[Any]) -> list[Any]:
    with replica.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[Any] = cursor.fetchall()
    return found
