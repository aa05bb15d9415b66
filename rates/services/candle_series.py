"""Candles of any length, put together from the minutes by the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from foundation import replica
from rates.models import Candle1m, Pair

INTERVALS: Final = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# However long a candle, no request reads more minutes than this; the next page has the rest.
LONGEST_READ: Final = timedelta(days=370)

# One walk along the key for each candle: GROUP BY date_bin() would sort all minutes, since the
# planner cannot know how few groups there are. The outer range lets it leave out other months.
CANDLES = """
SELECT bins.start, o.bid_o, m.bid_h, m.bid_l, c.bid_c, o.ask_o, m.ask_h, m.ask_l, c.ask_c, m.ticks
FROM generate_series(%(start)s::timestamptz, %(last)s::timestamptz, %(length)s) AS bins(start)
CROSS JOIN LATERAL (
    SELECT min(bucket) AS first, max(bucket) AS last, sum(ticks) AS ticks,
           max(bid_h) AS bid_h, min(bid_l) AS bid_l, max(ask_h) AS ask_h, min(ask_l) AS ask_l
    FROM rates_candle1m
    WHERE pair_id = %(pair)s AND bucket >= %(start)s AND bucket < %(end)s
      AND bucket >= bins.start AND bucket < bins.start + %(length)s
    HAVING count(*) > 0
) m
CROSS JOIN LATERAL (
    SELECT bid_o, ask_o FROM rates_candle1m
    WHERE pair_id = %(pair)s AND bucket = m.first AND bucket >= %(start)s AND bucket < %(end)s
    LIMIT 1
) o
CROSS JOIN LATERAL (
    SELECT bid_c, ask_c FROM rates_candle1m
    WHERE pair_id = %(pair)s AND bucket = m.last AND bucket >= %(start)s AND bucket < %(end)s
    LIMIT 1
) c
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


@replica.reads
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
    begin = _floor(first, length)
    stop = min(end, begin + min(limit * length, LONGEST_READ))
    candles = _read(pair, length, begin, stop)
    return Series(candles, _first_bucket(pair, stop, end))


def _read(pair: Pair, length: timedelta, start: datetime, end: datetime) -> list[Candle]:
    facts: dict[str, Any] = {"length": length, "pair": pair.pk, "start": start, "end": end}
    facts["last"] = end - length
    with replica.cursor() as cursor:
        cursor.execute(CANDLES, facts)
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
