"""A believable market: every asset's value walks, every pair is the ratio of two of them.

Values of assets rather than of pairs walk, so that BTC/USD and BTC/EUR tell the same story. The
walk depends on the seed and the number of steps only, never on the clock.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal

from demo.simulators.pairs import DAILY_VOLATILITY, OTHER_VOLATILITY, PAIRS, SimulatedPair

HOURS = 24
# The walk is as volatile as the real market at this many steps a second.
USUAL_RATE = 60
SECONDS_A_DAY = 86_400
# Each step takes back this share of the distance to the drifting centre.
REVERSION = 0.0005
# How strongly a trade-free step still moves the centre, as a fraction of the asset's volatility.
DRIFT = 0.2
TRADES = 0.3


@dataclass(slots=True)
class Walk:
    """The logarithm of an asset's value relative to its start, and the centre it is drawn to."""

    volatility: float
    value: float = 0.0
    centre: float = 0.0
    weight: int = 0

    def step(self, rng: random.Random, days: float) -> None:
        """Let ``days``, a small fraction of one, go by."""
        scale = self.volatility * math.sqrt(days)
        self.centre += rng.gauss(0, scale * DRIFT)
        self.value += REVERSION * (self.centre - self.value) + rng.gauss(0, scale)


@dataclass(slots=True)
class Hour:
    """One hour of trading: prices, base volume, and volume times price."""

    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal

    @classmethod
    def at(cls, price: Decimal) -> Hour:
        return cls(price, price, price, Decimal(0), Decimal(0))

    def trade(self, price: Decimal, quantity: Decimal) -> None:
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += quantity
        self.turnover += quantity * price


@dataclass(slots=True)
class Book:
    """The top of one pair's book and its last 24 hours."""

    pair: SimulatedPair
    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_qty: Decimal = Decimal(1)
    ask_qty: Decimal = Decimal(1)
    trades: int = 0
    hours: deque[Hour] = field(default_factory=lambda: deque(maxlen=HOURS))

    @property
    def open(self) -> Decimal:
        return self.hours[0].open

    @property
    def high(self) -> Decimal:
        return max(hour.high for hour in self.hours)

    @property
    def low(self) -> Decimal:
        return min(hour.low for hour in self.hours)

    @property
    def volume(self) -> Decimal:
        return sum((hour.volume for hour in self.hours), Decimal(0))

    @property
    def vwap(self) -> Decimal:
        turnover = sum((hour.turnover for hour in self.hours), Decimal(0))
        volume = self.volume
        return (turnover / volume if volume else self.last).quantize(self.pair.tick)

    @property
    def change(self) -> Decimal:
        return self.last - self.open

    @property
    def change_pct(self) -> Decimal:
        return (100 * self.change / self.open).quantize(Decimal("0.01"))

    def trade(self, price: Decimal, quantity: Decimal) -> None:
        self.last, self.trades = price, self.trades + 1
        self.hours[-1].trade(price, quantity)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of the walk did: the pair it moved, and whether somebody traded."""

    book: Book
    moved: bool
    traded: bool


class Market:
    """All books. ``step`` moves one pair; ``roll_hour`` ends an hour of the 24."""

    def __init__(self, seed: int, pairs: Iterable[SimulatedPair] = PAIRS) -> None:
        self.seed = seed
        self._rng = random.Random(seed)
        pairs = tuple(pairs)
        self._walks = {
            asset: Walk(DAILY_VOLATILITY.get(asset, OTHER_VOLATILITY))
            for pair in pairs
            for asset in (pair.base, pair.quote)
        }
        self.books = {pair.symbol: Book(pair, pair.price, pair.price, pair.price) for pair in pairs}
        self._order = list(self.books.values())
        self._weights = [pair.weight for pair in pairs]
        self._total_weight = sum(self._weights)
        for pair in pairs:
            self._walks[pair.base].weight += pair.weight
            self._walks[pair.quote].weight += pair.weight
        self._live_yesterday()

    def step(self) -> Step:
        """Move the market a little and return what happened to one pair."""
        (book,) = self._rng.choices(self._order, self._weights)
        for walk in (self._walks[book.pair.base], self._walks[book.pair.quote]):
            # What is drawn often moves less each time.
            steps_a_second = USUAL_RATE * walk.weight / self._total_weight
            walk.step(self._rng, 1 / (steps_a_second * SECONDS_A_DAY))
        before = book.bid, book.ask
        self._quote(book)
        traded = self._rng.random() < TRADES
        if traded:
            price = self._rng.choice((book.bid, book.ask))
            book.trade(price, self._quantity(book.pair))
        return Step(book, (book.bid, book.ask) != before, traded)

    def set(self, symbol: str, bid: Decimal, ask: Decimal) -> Step:
        """Put exactly these prices on the book, however absurd. Raises ``KeyError``."""
        book = self.books[symbol]
        book.bid, book.ask = bid, ask
        return Step(book, moved=True, traded=False)

    def roll_hour(self) -> None:
        for book in self._order:
            book.hours.append(Hour.at(book.last))

    def _live_yesterday(self) -> None:
        """Walk through a day by the hour, so that highs, lows and volumes are those of a day."""
        for _ in range(HOURS):
            for walk in self._walks.values():
                walk.step(self._rng, days=1 / HOURS)
            for book in self._order:
                self._quote(book)
                book.hours.append(Hour.at(book.bid))
                book.trade(book.bid, Decimal(book.pair.volume) / HOURS)
        self._start_at_listed_prices()

    def _start_at_listed_prices(self) -> None:
        """Shift the past so that the walk stands at each pair's listed price now."""
        for book in self._order:
            shift = book.pair.price / book.bid
            tick = book.pair.tick
            for hour in book.hours:
                hour.open = hour.high = hour.low = (hour.open * shift).quantize(tick)
                hour.turnover = hour.volume * hour.open
        for walk in self._walks.values():
            walk.value = walk.centre = 0.0
        for book in self._order:
            self._quote(book)
            book.trade(book.bid, self._quantity(book.pair))

    def _quote(self, book: Book) -> None:
        """Set bid and ask around the ratio of the two assets' values, on the pair's ticks."""
        pair = book.pair
        ratio = math.exp(self._walks[pair.base].value - self._walks[pair.quote].value)
        mid = float(pair.price) * ratio
        gap = mid * pair.spread_bps / 10_000 * self._rng.uniform(0.6, 1.8)
        bid = Decimal(mid - gap / 2).quantize(pair.tick, ROUND_FLOOR)
        ticks = max(1, round(gap / float(pair.tick)))
        book.bid = max(bid, pair.tick)
        book.ask = book.bid + ticks * pair.tick
        book.bid_qty, book.ask_qty = self._quantity(pair), self._quantity(pair)

    def _quantity(self, pair: SimulatedPair) -> Decimal:
        """An ordinary order: mostly small, seldom large, always more than nothing."""
        size = pair.volume / 20_000 * self._rng.lognormvariate(0, 1.2)
        return Decimal(max(size, 0.00001)).quantize(Decimal("0.00000001"))
