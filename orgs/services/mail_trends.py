"""How much mail of a domain was reported in the last seven days, beside the seven before.

The counters know no days, and most events are not kept. So what each counter stood at is noted as
days begin, for those that moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.db import connection

from orgs.models import MailHistory

WEEK: Final = 7
# The days that two weeks begin with, and one for a note that is missing today.
KEPT: Final = 2 * WEEK + 1

# A domain that was not there when the day before began had nothing then.
NOTE: Final = """
INSERT INTO orgs_mail_history AS h (domain, day, events)
SELECT domain, %(day)s, ARRAY[delivered + bounced, 0] FROM orgs_mail_domain ORDER BY domain
ON CONFLICT (domain) DO UPDATE SET day = excluded.day, events = (
    excluded.events[1] || array_fill(h.events[1], ARRAY[excluded.day - h.day - 1]) || h.events
)[1:%(kept)s]
WHERE h.day < excluded.day AND h.events[1] <> excluded.events[1]
"""


@dataclass(frozen=True, slots=True)
class Trend:
    """Events of the last seven days (UTC, today included), and of the seven before."""

    week: int
    before: int

    @property
    def growth(self) -> float | None:
        """As a fraction; ``None`` where it began at nothing."""
        return (self.week - self.before) / self.before if self.before else None


def note(day: date) -> None:
    """Note what ``day`` began with. To be called in its first hour, as often as one likes: only the
    first call counts, since later ones find what has come in since."""
    if MailHistory.objects.filter(day=day).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute(NOTE, {"day": day, "kept": KEPT})


def trend(total: int, day: date | None, events: list[int] | None, *, today: date) -> Trend:
    """Of a counter that stands at ``total``; ``day`` and ``events`` are of ``MailHistory``.

    Without them it is new. What is not known that far back is counted from where it is.
    """
    if day is None or not events:
        return Trend(total, 0)
    this, earlier = (
        _stood_at(day, events, today - timedelta(days=days - 1)) for days in (WEEK, 2 * WEEK)
    )
    return Trend(total - this, this - earlier)


def _stood_at(day: date, events: list[int], asked: date) -> int:
    """What the counter stood at when the day ``asked`` began."""
    return events[min(max((day - asked).days, 0), len(events) - 1)]
