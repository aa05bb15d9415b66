from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from demo import history, seed
from demo.simulators.market import Market
from rates.models import Candle1m, Pair

NOW = datetime(2026, 3, 1, 0, 30, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored():
    seed.add_pairs()
    Pair.objects.exclude(code__in=["BTC_USD", "DOGE_USD"]).delete()
    return history.add_history(NOW)


def test_every_pair_gets_the_minutes_of_a_day_up_to_now(stored):
    of_bitcoin = Candle1m.objects.filter(pair__code="BTC_USD")
    assert stored == Candle1m.objects.count() == Pair.objects.count() * 24 * 60
    assert of_bitcoin.latest("bucket").bucket == datetime(2026, 3, 1, 0, 29, tzinfo=UTC)
    assert of_bitcoin.earliest("bucket").bucket == NOW.replace(second=0) - timedelta(days=1)


def test_the_past_ends_where_the_simulated_exchange_begins(stored):
    book = Market(history.SEED).books["BTC/USD"]
    assert Candle1m.objects.filter(pair__code="BTC_USD").latest("bucket").bid_c == book.bid


def test_every_candle_is_sound(stored):
    for candle in Candle1m.objects.all():
        assert candle.bid_l <= min(candle.bid_o, candle.bid_c)
        assert candle.bid_h >= max(candle.bid_o, candle.bid_c)
        assert Decimal(0) < candle.bid_c < candle.ask_c


def test_a_desk_that_has_candles_is_left_alone(stored):
    assert history.add_history(NOW + timedelta(days=1)) == 0
