"""What coins were, from our own hourly points."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, cast

import structlog
from redis.exceptions import RedisError

from foundation import valkey
from rates.coins import constants as c
from rates.coins.services.coin_list import CoinList
from rates.coins.services.rendering import compact
from rates.models import CoinPoint

logger = structlog.get_logger(__name__)

WEEK: Final = timedelta(days=7)
# A small drawing of a week needs no more points than this; hours between them.
STEP_HOURS: Final = 4
# The newest hour of points changes once an hour; nothing is lost by drawing it minutes later.
KEPT_SECONDS: Final = 600

Point = tuple[datetime, Decimal, int]  # hour, price in USD, rank


def points(symbol: str, since: datetime) -> list[Point]:
    """The hours of one coin, oldest first."""
    found = CoinPoint.objects.of(symbol, since=since)
    return list(found.values_list("hour", "price", "rank"))


def series(shown: CoinList) -> dict[str, list[str]]:
    """Prices of the last week, a few hours apart, by symbol; empty while Valkey is down."""
    try:
        kept = cast("bytes | None", valkey.client().get(c.KEY_SERIES))
        if kept is not None:
            read: dict[str, list[str]] = json.loads(kept)
            return read
        made = _series(shown.as_of - WEEK)
        valkey.client().set(c.KEY_SERIES, compact(made), ex=KEPT_SECONDS)
    except RedisError as problem:
        logger.warning("coins without their last week", error=str(problem))
        return {}
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
