"""When a source may be asked again: pauses after failures, and a month's credits made to last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from rates.coins.constants import PERIOD
from rates.coins.sources.listing import OF_THE_KEY, Kind

# For what somebody has to change; saving the source ends it.
UNTIL_CHANGED: Final = timedelta(hours=24)
ADDRESS_PAUSE: Final = timedelta(minutes=2)
LONGEST_WAIT: Final = timedelta(hours=1)
# Before the first answer there is nothing to serve, so what passes by itself is tried again sooner.
FIRST_PAUSE: Final = timedelta(seconds=10)
PASSES: Final = frozenset(
    {Kind.SERVER, Kind.TIMEOUT, Kind.UNREACHABLE, Kind.NOT_JSON, Kind.SHAPE, Kind.REFUSED}
)
# Beat is never quite on time: what is due within this is due.
SLACK: Final = timedelta(seconds=5)


def next_attempt(
    kind: Kind,
    now: datetime,
    *,
    retry_after: float | None = None,
    first: bool = False,
    keyed: bool = True,
) -> datetime:
    """The earliest time of the next call after a failure. Times are UTC.

    What passes by itself is tried again in the next period, so that a source that is back is used
    within one; ``first`` says that it has never answered, and does not wait so long. Where it is
    asked without a key, no key is at fault: ``keyed``.
    """
    if kind in OF_THE_KEY:
        if keyed:
            return now + UNTIL_CHANGED
        kind = Kind.ADDRESS
    if kind is Kind.MONTH:
        return month_end(now)
    if kind is Kind.DAY:
        return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    pause = {Kind.ADDRESS: ADDRESS_PAUSE, Kind.MINUTE: PERIOD}.get(kind, PERIOD - SLACK)
    if first and kind in PASSES:
        pause = FIRST_PAUSE
    if retry_after is not None:
        pause = min(max(pause, timedelta(seconds=retry_after)), LONGEST_WAIT)
    return now + pause


def interval(now: datetime, *, cost: int, allowance: int | None, used: int) -> timedelta | None:
    """How far apart calls must be for the month's credits to last; ``None``: there are none left.

    ``cost`` is that of one call, ``allowance`` that of the month (``None``: without end).
    """
    if allowance is None:
        return PERIOD
    left = allowance - used
    if left < cost:
        return None
    return max(PERIOD, (month_end(now) - now) * cost / left)


def month_end(now: datetime) -> datetime:
    """The first moment of the next month, UTC."""
    year, month = divmod(now.year * 12 + now.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def month_of(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m")
