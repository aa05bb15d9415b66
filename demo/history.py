"""A day of minute candles that ends where the simulated exchange begins.

Without it a new desk would show empty charts for its first hours. The simulator's walk is known
from its seed, so its hours are read from there and only the minutes between are made up.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from demo.simulators.market import Book, Market
from rates.models import Candle1m, Pair
from rates.services.candle_partitions import first_of_month, make_partitions
from rates.services.candles import minute_of

# The simulator of `make up` walks with this seed, so that its past and its present join.
SEED = 7
MINUTES = 60
COLUMNS = (
    "pair_id, bucket, bid_o, bid_h, bid_l, bid_c, ask_o, ask_h, ask_l, ask_c,"
    " ticks, spread_version, parts"
)
# How far a minute strays from the straight line between two hours, as a share of the price.
STRAY = 0.0006


def add_history(now: datetime) -> int:
    """Store the day before ``now`` if there is no candle at all; return how many were stored."""
    if Candle1m.objects.exists():
        return 0
    pairs = dict(Pair.objects.values_list("ws_symbol", "pk"))
    books = [book for book in Market(SEED).books.values() if book.pair.symbol in pairs]
    rows = [row for book in books for row in candles(book, pairs[book.pair.symbol], now)]
    make_partitions({first_of_month(row[1]) for row in rows})
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY rates_candle1m ({COLUMNS}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
    return len(rows)


def candles(book: Book, pair_id: int, now: datetime) -> Iterator[tuple[Any, ...]]:
    """One row of ``COLUMNS`` a minute, the last one ending a minute before ``now``."""
    path = _path(book, random.Random(f"{SEED} {book.pair.symbol}"))
    gap = book.ask - book.bid
    start = minute_of(now) - timedelta(minutes=len(path) - 1)
    for minute, (opened, closed) in enumerate(itertools.pairwise(path)):
        high, low = max(opened, closed), min(opened, closed)
        yield (
            pair_id,
            start + timedelta(minutes=minute),
            *(opened, high, low, closed),
            *(opened + gap, high + gap, low + gap, closed + gap),
            1,
            0,
            json.dumps([[0, minute, minute, 1]]),
        )


def _path(book: Book, chance: random.Random) -> list[Decimal]:
    """Bids by the minute: through the opening of each hour, inside the day's high and low."""
    opens = [hour.open for hour in book.hours] + [book.bid]
    tick, path = book.pair.tick, [opens[0]]
    for before, after in itertools.pairwise(opens):
        stray = 0.0
        for minute in range(1, MINUTES + 1):
            # A bridge: free in the middle of the hour, pinned at its end.
            left = MINUTES - minute
            stray += chance.gauss(0, STRAY / math.sqrt(10)) - stray / (left + 1)
            share = Decimal(minute) / MINUTES
            line = before + (after - before) * share
            price = line * (1 + Decimal(stray if left else 0))
            path.append(min(max(price, book.low), book.high).quantize(tick))
    return path
