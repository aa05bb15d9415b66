"""The last day of every pair as a few points, for the small lines on the board."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import redis
import structlog
from django.core.cache import cache
from django.db.models import DateTimeField, F, Func, Value

from rates.models import Candle1m

logger = structlog.get_logger(__name__)

SLOT = timedelta(minutes=30)
SLOTS = 48
# Readers of the board share one query a minute; a slot is thirty times as long.
CACHE_SECONDS = 60
CACHE_KEY = "rates:sparklines"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Slot number (0 is a day ago, 47 is now) and the mid price at the slot's end.
Points = list[tuple[int, Decimal]]


def sparklines(now: datetime) -> dict[str, Points]:
    """Pair code to its points, oldest first; slots without candles are left out."""
    try:
        known: dict[str, Points] | None = cache.get(CACHE_KEY)
    except redis.RedisError:
        logger.warning("sparkline_cache_down")
        return _read(now)
    if known is None:
        known = _read(now)
        cache.set(CACHE_KEY, known, CACHE_SECONDS)
    return known


def _read(now: datetime) -> dict[str, Points]:
    last = EPOCH + (now - EPOCH) // SLOT * SLOT
    first = last - (SLOTS - 1) * SLOT
    slot = Func(
        Value(SLOT), F("bucket"), Value(EPOCH), function="date_bin", output_field=DateTimeField()
    )
    rows = (
        Candle1m.objects.filter(bucket__gte=first, bucket__lte=now)
        .annotate(slot=slot)
        .order_by("pair_id", "slot", "-bucket")
        .distinct("pair_id", "slot")
        .values_list("pair__code", "slot", "bid_c", "ask_c")
    )
    found: dict[str, Points] = defaultdict(list)
    for code, start, bid, ask in rows:
        found[code].append(((start - first) // SLOT, (bid + ask) / 2))
    return dict(found)
