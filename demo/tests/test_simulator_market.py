"""The walk that stands in for a market."""

from __future__ import annotations

from decimal import Decimal

import pytest

from demo.simulators.market import Market
from demo.simulators.pairs import PAIRS


@pytest.fixture
def walked():
    market = Market(seed=7)
    steps = [market.step() for _ in range(5000)]
    return market, steps


def test_there_are_twenty_pairs_and_no_two_share_a_name():
    for name in ("symbol", "wsname", "altname", "rest_key"):
        assert len({getattr(pair, name) for pair in PAIRS}) == 20


@pytest.mark.parametrize(
    ("symbol", "wsname", "rest_key"),
    [
        ("BTC/USD", "XBT/USD", "XXBTZUSD"),
        ("DOGE/USD", "XDG/USD", "XDGUSD"),
        ("SOL/USD", "SOL/USD", "SOLUSD"),
        ("ETH/BTC", "ETH/XBT", "XETHXXBT"),
    ],
)
def test_pairs_have_the_names_of_the_real_rest_interface(symbol, wsname, rest_key):
    (pair,) = [pair for pair in PAIRS if pair.symbol == symbol]
    assert (pair.wsname, pair.rest_key) == (wsname, rest_key)


def test_every_listed_price_is_on_its_tick():
    assert all(pair.price % pair.tick == 0 for pair in PAIRS)


def test_one_seed_makes_one_walk():
    def walk(seed):
        market = Market(seed)
        return [(s.book.pair.symbol, s.book.bid) for s in (market.step() for _ in range(200))]

    assert walk(3) == walk(3)
    assert walk(3) != walk(4)


def test_a_walk_starts_at_the_listed_prices():
    for book in Market(seed=5).books.values():
        assert abs(book.bid / book.pair.price - 1) < Decimal("0.002")


def test_bid_is_below_ask_and_both_are_on_the_tick(walked):
    market, _ = walked
    for book in market.books.values():
        assert 0 < book.bid < book.ask
        assert book.bid % book.pair.tick == book.ask % book.pair.tick == 0


def test_every_pair_moves_and_trades(walked):
    _, steps = walked
    assert {step.book.pair.symbol for step in steps if step.moved} == {p.symbol for p in PAIRS}
    assert 0.2 < sum(step.traded for step in steps) / len(steps) < 0.4


def test_a_minute_and_a_half_moves_prices_a_little_and_not_wildly(walked):
    market, _ = walked
    for book in market.books.values():
        assert abs(book.bid / book.pair.price - 1) < Decimal("0.05")


def test_the_day_fits_the_price(walked):
    market, _ = walked
    for book in market.books.values():
        assert book.low <= book.last <= book.high
        assert book.low <= book.open <= book.high
        assert book.low <= book.vwap <= book.high
        assert book.change == book.last - book.open


def test_a_pair_in_two_currencies_tells_one_story():
    market = Market(seed=11)
    for _ in range(20_000):
        market.step()
    euro = market.books["BTC/USD"].bid / market.books["BTC/EUR"].bid
    listed = Decimal("84359.9") / Decimal("73228.2")
    assert abs(euro / listed - 1) < Decimal("0.02")


def test_an_hour_that_ends_takes_the_oldest_with_it():
    market = Market(seed=1)
    book = market.books["BTC/USD"]
    second = book.hours[1]
    market.roll_hour()
    assert len(book.hours) == 24
    assert book.hours[0] is second
    assert book.hours[-1].open == book.last
