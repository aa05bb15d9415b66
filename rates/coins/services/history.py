"""What coins were, from our own hourly points; their first week from a source that tells it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, cast

import structlog
from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from foundation import valkey
from rates.coins import constants as c
from rates.coins.services import asking, refresh
from rates.coins.services.coin_list import CoinList
from rates.coins.services.rendering import compact
from rates.coins.sources.coingecko import CoinGecko
from rates.coins.sources.listing import Listing, SourceFailed
from rates.models import CoinPoint

logger = structlog.get_logger(__name__)

WEEK: Final = timedelta(days=7)
HOUR: Final = timedelta(hours=1)
# A small drawing of a week needs no more points than this; hours between them.
STEP_HOURS: Final = 4
# The newest hour of points changes once an hour; nothing is lost by drawing it minutes later.
KEPT_SECONDS: Final = 600

Point = tuple[datetime, Decimal, int | None, str]  # hour, price in USD, rank, source if not we
# The source that tells of hours before ours.
TELLS: Final = "coingecko"
# Our own points must reach back so far before nobody is asked any more.
ENOUGH: Final = timedelta(days=1)


def points(symbol: str, since: datetime) -> list[Point]:
    """The hours of one coin, oldest first."""
    found = CoinPoint.objects.of(symbol, since=since)
    return list(found.values_list("hour", "price", "rank", "told_by"))


def series(shown: CoinList) -> dict[str, list[str]] | None:
    """Prices of the last week, a few hours apart, by symbol; ``None`` where they cannot be read."""
    try:
        kept = cast("bytes | None", valkey.client().get(c.KEY_SERIES))
        if kept is not None:
            read: dict[str, list[str]] = json.loads(kept)
            return read
        made = _series(shown.as_of - WEEK)
        valkey.client().set(c.KEY_SERIES, compact(made), ex=KEPT_SECONDS)
    except (RedisError, OperationalError, InterfaceError) as problem:
        logger.warning("coins without their last week", error=str(problem))
        return None
    return made


def _series(since: datetime) -> dict[str, list[str]]:
    found = CoinPoint.objects.filter(hour__gte=since).order_by("hour")
    hours = sorted(found.order_by("hour").values_list("hour", flat=True).distinct())
    # Every fourth hour, counted back from the newest, so that a line ends where the price is.
    wanted = hours[::-1][::STEP_HOURS] if len(hours) > 2 * STEP_HOURS else hours
    made: dict[str, list[str]] = defaultdict(list)
    rows = found.filter(hour__in=wanted).values_list("symbol", "price")
    for symbol, price in rows:
        made[symbol].append(f"{price.normalize():f}")
    return made


def seed(shown: CoinList, now: datetime) -> int:
    """Fill in the hours before our own from CoinGecko, once; returns how many points were made.

    Nothing is asked once points reach back for a day, nor while breaker or budget forbid it.
    """
    if CoinPoint.objects.filter(hour__lt=now - ENOUGH).exists():
        return 0
    source = refresh.take(TELLS, now)
    if source is None:
        return 0
    adapter = refresh.adapter_of(source)
    assert isinstance(adapter, CoinGecko)
    try:
        with asking.failing_plainly(source.name):
            weeks = adapter.past_week(source.rows)
    except SourceFailed as problem:
        refresh.record(source, problem, now)
        return 0
    points = _points(shown, weeks, now)
    CoinPoint.objects.bulk_create(points, ignore_conflicts=True, batch_size=5000)
    try:
        valkey.client().delete(c.KEY_SERIES)
    except RedisError as problem:
        logger.warning("drawings stay as they are", error=str(problem))
    return len(points)


def _points(
    shown: CoinList, weeks: Iterable[tuple[Listing, list[str]]], now: datetime
) -> list[CoinPoint]:
    """The hours before this one, for each coin that is served; of two namesakes the better one."""
    served = shown.by_symbol()
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    made: dict[str, list[CoinPoint]] = {}
    for listing, prices in weeks:
        row = served.get(listing.symbol)
        if row is None or listing.symbol in made or not _same(listing.price, row["price"]):
            continue
        # The newest price is of this hour, which is ours to tell.
        before = enumerate(reversed(prices[-int(WEEK / HOUR) : -1]), 1)
        made[listing.symbol] = [
            CoinPoint(symbol=listing.symbol, hour=hour - back * HOUR, price=price, told_by=TELLS)
            for back, price in before
        ]
    return [point for points in made.values() for point in points]


def _same(told: str | None, served: str) -> bool:
    """Whether two prices can be those of one coin."""
    if told is None:
        return False
    ours, theirs = Decimal(served), Decimal(told)
    return abs(ours - theirs) <= c.CLASH * max(ours, theirs)
