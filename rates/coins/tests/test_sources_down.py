"""Show 1: each source down in turn and all at once, for ten minutes of simulated time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rates.coins.services import board, refresh
from rates.coins.sources import ADAPTERS
from rates.coins.sources.listing import Adapter, Fetched, Kind, SourceFailed
from rates.coins.tests.market import START, Clock, listing
from rates.models import CoinSource

pytestmark = pytest.mark.django_db

NAMES = ("coinmarketcap", "cryptocompare", "coingecko")
COINS = [f"C{number}" for number in range(1, 21)]
TURNS = [[name] for name in NAMES] + [list(NAMES)]
# How each failure looks on the wire is test_sources.py's matter; here it is how long it is felt.
FAILURES = {
    "server error": SourceFailed(Kind.SERVER, "500"),
    "timeout": SourceFailed(Kind.TIMEOUT, "no answer"),
    "unreachable": SourceFailed(Kind.UNREACHABLE, "refused"),
    "too often": SourceFailed(Kind.MINUTE, "429"),
    "too often, come back": SourceFailed(Kind.MINUTE, "429", retry_after=30),
    "not JSON": SourceFailed(Kind.NOT_JSON, "<html>"),
    "another shape": SourceFailed(Kind.SHAPE, "no rows"),
}


@pytest.fixture
def down(monkeypatch):
    """Who fails and how, by name; a test changes it. Every other source gives twenty coins."""
    failing: dict[str, SourceFailed] = {}

    def fake(name):
        class Fake(Adapter):
            @classmethod
            def credits(cls, count):
                return 1

            def fetch(self, count):
                if name in failing:
                    raise failing[name]
                return Fetched([listing(coin, rank) for rank, coin in enumerate(COINS, 1)], 1)

        return Fake

    for name in NAMES:
        monkeypatch.setitem(ADAPTERS, name, fake(name))
    CoinSource.objects.update(keyless=True, monthly_credits=None)
    board.memory.forget()
    yield failing
    board.memory.forget()


def period(clock):
    """Prices, then ranks, then what is served."""
    refresh.refresh("price", clock=clock)
    refresh.refresh("rank", clock=clock)
    board.memory.forget()
    return board.current().shown


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("names", TURNS, ids=[*NAMES, "all"])
def test_ten_minutes_without_a_source_are_served_with_the_right_age(down, names, failure):
    clock = Clock()
    assert period(clock).as_of == START
    down |= dict.fromkeys(names, failure)
    for minute in range(1, 11):
        clock.pass_by(60)
        shown = period(clock)
        told = board.headers(shown, clock())
        assert len(shown.rows) == len(COINS)
        if len(names) < len(NAMES):
            # Whoever is left gives what is asked, so nothing is marked as stale.
            assert clock() - shown.as_of <= timedelta(seconds=150)
            assert told["X-Data-Stale"] == "0"
        else:
            assert shown.as_of == START
            assert told["X-Data-Age"] == str(60 * minute)
            assert told["X-Data-Stale"] == ("1" if minute > 3 else "0")
    down.clear()
    clock.pass_by(60)
    shown = period(clock)
    assert (shown.price_source, shown.rank_source) == ("coinmarketcap", "cryptocompare")
    assert shown.as_of == shown.ranked_at == clock()
