"""The first week of drawings, from a source, beside our own points."""

from datetime import timedelta

import pytest

from foundation import valkey
from rates.coins import constants as c
from rates.coins.services import board, history, refresh
from rates.coins.tests.market import START, Clock
from rates.models import CoinPoint, CoinSource, CoinSourceState

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(upstream):
    CoinSource.objects.update(rows=50)
    for purpose in ("price", "rank"):
        refresh.refresh(purpose, clock=Clock())
    valkey.client().delete(c.KEY_SERIES)
    found = board.stored()
    assert found is not None
    return found


def test_a_new_desk_has_a_week_of_hours_that_end_at_its_own(shown):
    made = history.seed(shown, START)
    assert made == 50 * 167
    points = history.points("BTC", START - timedelta(days=7))
    assert [hour for hour, *_ in points] == [
        START - timedelta(hours=back) for back in range(167, -1, -1)
    ]
    assert [source for *_, source in points] == ["coingecko"] * 167 + [""]
    assert {rank for *_, rank, _ in points[:-1]} == {None}
    week = history.series(shown)
    assert week is not None
    assert len(week["BTC"]) == 42


def test_nobody_is_asked_again_once_points_reach_back(shown, upstream):
    history.seed(shown, START)
    calls = upstream.coins()["coingecko"]["calls"]
    assert history.seed(shown, START) == 0
    assert upstream.coins()["coingecko"]["calls"] == calls


def test_our_own_hours_stay_as_they_are(shown):
    hour = START - timedelta(hours=3)
    CoinPoint.objects.create(symbol="BTC", hour=hour, price="1", rank=1)
    history.seed(shown, START)
    assert CoinPoint.objects.get(symbol="BTC", hour=hour).told_by == ""


def test_the_past_of_a_namesake_is_not_taken(shown, upstream):
    upstream.coins(service="coingecko", prices={"BTC": 3.5})
    history.seed(shown, START)
    assert CoinPoint.objects.filter(symbol="BTC").count() == 1
    assert CoinPoint.objects.filter(symbol="ETH").count() == 168


@pytest.mark.parametrize("mode", ["500", "html", "200_error", "429_minute", "truncated"])
def test_a_source_that_fails_is_left_in_peace_until_it_may_be_asked(shown, upstream, mode):
    upstream.coins(service="coingecko", mode=mode)
    assert history.seed(shown, START) == 0
    calls = upstream.coins()["coingecko"]["calls"]
    assert history.seed(shown, START + timedelta(seconds=1)) == 0
    assert upstream.coins()["coingecko"]["calls"] == calls
    assert CoinPoint.objects.count() == 50


def test_it_costs_credits_and_a_source_without_any_is_not_asked(shown):
    CoinSource.objects.filter(name="coingecko").update(monthly_credits=10)
    before = CoinSourceState.objects.get(source__name="coingecko").credits
    history.seed(shown, START)
    assert CoinSourceState.objects.get(source__name="coingecko").credits == before + 1
    CoinPoint.objects.filter(hour__lt=START).delete()
    CoinSource.objects.filter(name="coingecko").update(monthly_credits=1)
    assert history.seed(shown, START) == 0
    CoinSource.objects.filter(name="coingecko").update(monthly_credits=None, enabled=False)
    assert history.seed(shown, START) == 0


def test_the_page_says_who_told_the_past(shown, client):
    assert "as served here" in client.get("/coins/BTC/").content.decode()
    history.seed(shown, board.now())
    page = client.get("/coins/BTC/").content.decode()
    assert "as coingecko told them" in page
