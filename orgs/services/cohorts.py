"""How an organisation's users come, stay, go and return, by weeks that end today.

Counted from who was active on which day, which is kept for 90 days: whoever was here only before
that counts as new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from foundation import replica

DAYS_A_WEEK: Final = 7
WEEKS: Final = 12

# ``age`` is how many weeks ago: 0 is the week that ends with the last day.
ACTIVE: Final = """
SELECT DISTINCT user_id, (%(last)s::date - day) / 7 AS age FROM orgs_org_user_day
WHERE org_id = %(org)s AND day > %(last)s::date - 7 * (%(weeks)s + 1) AND day <= %(last)s
"""
LIFECYCLE: Final = f"""
WITH a AS ({ACTIVE}), m AS (
    SELECT age, lag(age) OVER w AS earlier, lead(age) OVER w AS later
    FROM a WINDOW w AS (PARTITION BY user_id ORDER BY age DESC)
), counted AS (
    SELECT age, CASE WHEN earlier IS NULL THEN 'new' WHEN earlier = age + 1 THEN 'returning'
        ELSE 'resurrected' END AS kind FROM m
    UNION ALL
    -- Gone in the week after the last one that they were seen in.
    SELECT age - 1, 'dormant' FROM m WHERE age > 0 AND later IS DISTINCT FROM age - 1
)
SELECT age, count(*) FILTER (WHERE kind = 'new'), count(*) FILTER (WHERE kind = 'returning'),
    count(*) FILTER (WHERE kind = 'resurrected'), count(*) FILTER (WHERE kind = 'dormant')
FROM counted WHERE age < %(weeks)s GROUP BY age
"""  # noqa: S608  # of constants
RETENTION: Final = f"""
WITH a AS ({ACTIVE}), f AS (SELECT user_id, max(age) AS first FROM a GROUP BY user_id)
SELECT f.first, f.first - a.age, count(*) FROM a JOIN f USING (user_id)
WHERE f.first < %(weeks)s GROUP BY 1, 2
"""  # noqa: S608  # of constants


@dataclass(frozen=True, slots=True)
class Week:
    """``last`` is the week's last day. Dormant: active the week before, not in this one."""

    last: date
    new: int
    returning: int
    resurrected: int
    dormant: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """Users first seen in the week that ends with ``last``: how many, and how many were active in
    that week and each one since."""

    last: date
    size: int
    active: list[int]


@replica.reads
def lifecycle(org_id: int, last: date) -> list[Week]:
    """Twelve weeks, oldest first."""
    found = {row[0]: row[1:] for row in _rows(LIFECYCLE, org_id, last)}
    return [Week(_end(last, age), *found.get(age, (0, 0, 0, 0))) for age in _ages()]


@replica.reads
def retention(org_id: int, last: date) -> list[Cohort]:
    """Twelve cohorts, oldest first; each has one figure more than the one after it."""
    found = {(row[0], row[1]): row[2] for row in _rows(RETENTION, org_id, last)}
    cohorts = []
    for age in _ages():
        active = [found.get((age, week), 0) for week in range(age + 1)]
        cohorts.append(Cohort(_end(last, age), active[0], active))
    return cohorts


def _ages() -> Sequence[int]:
    return range(WEEKS - 1, -1, -1)


def _end(last: date, age: int) -> date:
    return last - timedelta(days=DAYS_A_WEEK * age)


def _rows(statement: str, org_id: int, last: date) -> list[Any]:
    with replica.cursor() as cursor:
        cursor.execute(statement, {"org": org_id, "last": last, "weeks": WEEKS})
        found: list[Any] = cursor.fetchall()
    return found
