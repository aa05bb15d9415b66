"""Which times of events are still, or already, taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from orgs.constants import ACCEPTED_DAYS, CLOCK_SKEW

TOO_OLD = f"More than {ACCEPTED_DAYS} days ago: nothing could tell a repeat of it any more."
TOO_NEW = f"More than {int(CLOCK_SKEW.total_seconds() // 60)} minutes ahead of our clock."


@dataclass(frozen=True)
class Window:
    """From the start of the oldest day (UTC) to as far ahead as clocks may differ."""

    earliest: datetime
    latest: datetime

    def fault(self, ts: datetime) -> str | None:
        """Why ``ts`` is refused, or ``None``."""
        if ts < self.earliest:
            return TOO_OLD
        return TOO_NEW if ts > self.latest else None


def window(now: datetime) -> Window:
    today = now.astimezone(UTC).date()
    oldest = datetime.combine(today - timedelta(days=ACCEPTED_DAYS), time(), tzinfo=UTC)
    return Window(oldest, now + CLOCK_SKEW)
