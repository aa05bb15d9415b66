"""Candles of any length, put together from the minutes by the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from rates.models import Candle1m, Pair

INTERVALS: Final = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Opening and closing prices are looked up by key afterwards: an ordered aggregate would sort
# every minute of a range of years.
BINS = """
WITH bins AS (
    SELECT date_bin(%(length)s, bucket, %(epoch)s) AS start,
           min(bucket) AS first, max(bucket) AS last, sum(ticks) AS ticks,
           max(bid_h) AS bid_h, min(bid_l) AS bid_l, max(ask_h) AS ask_h, min(ask_l) AS ask_l
    FROM rates_candle1m
    WHERE pair_id = %(pair)s AND bucket >= %(start)s AND bucket < %(end)s
    GROUP BY 1
)
SELECT bins.start, o.bid_o, bins.bid_h, bins.bid_l, c.bid_c,
       o.ask_o, bins.ask_h, bins.ask_l, c.ask_c, bins.ticks
FROM bins
JOIN rates_candle1m o ON o.pair_id = %(pair)s AND o.bucket = bins.first
JOIN rates_candle1m c ON c.pair_id = %(pair)s AND c.bucket = bins.last
ORDER BY bins.start
"""


class Side(NamedTuple):
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True)
class Candle:
    """The market in ``[start, start + interval)``, in the quote currency."""

    start: datetime
    bid: Side
    ask: Side
    ticks: int


@dataclass(frozen=True, slots=True)
class Series:
    """Candles, oldest first. ``next_start`` is where the rest of the range begins, if any does."""

    candles: list[Candle]
    next_start: datetime | None


def series(pair: Pair, interval: str, *, start: datetime, end: datetime, limit: int) -> Series:
    """The candles that overlap ``[start, end)``, at most ``limit``; those without ticks are absent.

    ``interval`` is a key of ``INTERVALS``; candles begin at whole multiples of it in UTC.
    """
    length = INTERVALS[interval]
    end = _floor(end - timedelta(microseconds=1), length) + length
    first = _first_bucket(pair, _floor(start, length), end)
    if first is None:
        return Series([], None)
    # However long the range, only as many minutes are read as the answer can hold.
    stop = min(end, _floor(first, length) + limit * length)
    candles = _read(pair, length, _floor(first, length), stop)
    return Series(candles, _first_bucket(pair, stop, end))


def _read(pair: Pair, length: timedelta, start: datetime, end: datetime) -> list[Candle]:
    facts: dict[str, Any] = {
        "length": length,
        "epoch": EPOCH,
        "pair": pair.pk,
        "start": start,
        "end": end,
    }
    with connection.cursor() as cursor:
        cursor.execute(BINS, facts)
        rows = cursor.fetchall()
    return [
        Candle(
            start=row[0],
            bid=Side(*(_shown(pair, price) for price in row[1:5])),
            ask=Side(*(_shown(pair, price) for price in row[5:9])),
            ticks=int(row[9]),
        )
        for row in rows
    ]


def _first_bucket(pair: Pair, start: datetime, end: datetime) -> datetime | None:
    found = Candle1m.objects.of(pair, start=start, end=end)
    return found.values_list("bucket", flat=True).first()


def _floor(moment: datetime, length: timedelta) -> datetime:
    return EPOCH + (moment - EPOCH) // length * length


def _shown(pair: Pair, price: Decimal) -> Decimal:
    """Without the zeros that only the column needs; the exchange's digits all stay."""
    shortest = price.normalize()
    exponent = shortest.as_tuple().exponent
    places = max(pair.price_decimals, -exponent if isinstance(exponent, int) else 0)
    return price.quantize(Decimal(1).scaleb(-places))
