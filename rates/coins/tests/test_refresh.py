"""Refreshing from simulated sources over sockets: order, breakers, budgets, last good lists."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.signals import worker_ready

from rates.coins import tasks
from rates.coins.services import board, health, refresh, retention
from rates.coins.sources.listing import Fetched, Kind
from rates.coins.tests.market import START, Clock, listing, put, told
from rates.models import CoinAlias, CoinPoint, CoinSnapshot, CoinSource, CoinSourceState

pytestmark = pytest.mark.django_db


# Short lists, for speed: what they are long for has tests of its own.
SIZE = 60


@pytest.fixture(autouse=True)
def _short_lists(db):
    CoinSource.objects.update(rows=SIZE)


@pytest.fixture
def clock():
    return Clock()


def both(clock):
    """A period as Celery has it: prices, then ranks."""
    return refresh.refresh("price", clock=clock), refresh.refresh("rank", clock=clock)


def served():
    """The newest list there is."""
    shown = board.stored()
    assert shown is not None
    return shown


def state(name):
    return CoinSourceState.objects.get(source__name=name)


def test_prices_come_from_coinmarketcap_and_ranks_from_cryptocompare(upstream, clock):
    CoinSource.objects.update(rows=500)
    both(clock)
    shown = served()
    assert len(shown.rows) == 500
    assert (shown.price_source, shown.rank_source) == ("coinmarketcap", "cryptocompare")
    first = shown.rows[0]
    assert (first["symbol"], first["price"]) == ("BTC", "84359.812")
    assert [row["rank"] for row in shown.rows] == list(range(1, 501))
    assert shown.as_of == START


def test_prices_alone_make_a_list_before_ranks_were_fetched(upstream, clock):
    refresh.refresh("price", clock=clock)
    assert served().rank_source == "coinmarketcap"


def test_a_source_is_asked_once_a_period_whoever_needs_it(upstream, clock):
    prices, ranks = both(clock)
    assert set(prices.asked) == {"coinmarketcap", "coingecko"}
    assert ranks.asked == ["cryptocompare"]
    assert [outcome.asked for outcome in both(clock)] == [[], []]
    clock.pass_by(60)
    assert set(refresh.refresh("price", clock=clock).asked) == {"coinmarketcap", "coingecko"}


def test_a_source_without_its_key_is_not_asked(upstream, clock, monkeypatch):
    monkeypatch.delenv("COINMARKETCAP_API_KEY")
    monkeypatch.delenv("CRYPTOCOMPARE_API_KEY")
    both(clock)
    shown = served()
    assert (shown.price_source, shown.rank_source) == ("coingecko", "coingecko")
    calls = upstream.coins()
    assert (calls["coinmarketcap"]["calls"], calls["cryptocompare"]["calls"]) == (0, 0)


def test_a_wrong_key_rests_until_an_operator_saves_the_source(upstream, clock):
    upstream.coins(service="coinmarketcap", mode="401")
    outcome, _ = both(clock)
    assert outcome.failed == {"coinmarketcap": Kind.KEY}
    clock.pass_by(600)
    assert "coinmarketcap" not in both(clock)[0].asked
    refresh.allow_again(CoinSource.objects.get(name="coinmarketcap"))
    upstream.coins(service="coinmarketcap", mode="normal")
    assert "coinmarketcap" in both(clock)[0].asked
    assert served().price_source == "coinmarketcap"


def test_a_month_without_credits_waits_for_the_first(upstream, clock):
    upstream.coins(service="coinmarketcap", mode="429_month")
    both(clock)
    assert state("coinmarketcap").next_allowed_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert served().price_source == "coingecko"


def test_a_small_budget_spreads_the_calls_and_another_source_fills_between(upstream, clock):
    CoinSource.objects.filter(name="coinmarketcap").update(monthly_credits=5_000)
    asked = {"coinmarketcap": 0, "coingecko": 0}
    for _ in range(11):
        for outcome in both(clock):
            for name in outcome.asked:
                asked[name] = asked.get(name, 0) + 1
        clock.pass_by(60)
    # A credit for so few rows, 5,000 credits for nine and a half days: a call in about 165 s.
    assert 3 <= asked["coinmarketcap"] <= 5
    assert asked["coingecko"] == 11
    assert state("coinmarketcap").credits == asked["coinmarketcap"]


def test_credits_begin_anew_with_the_month(upstream, clock):
    both(clock)
    assert refresh.used_credits(state("coinmarketcap"), clock()) == 1
    assert refresh.used_credits(state("coinmarketcap"), datetime(2026, 12, 1, tzinfo=UTC)) == 0


@pytest.mark.parametrize("mode", ["500", "html", "truncated", "200_error", "429_minute", "partial"])
def test_a_source_that_fails_keeps_its_last_good_list(upstream, clock, mode):
    both(clock)
    before = state("coingecko")
    upstream.coins(service="coingecko", mode=mode)
    clock.pass_by(60)
    both(clock)
    after = state("coingecko")
    assert after.rows == before.rows
    assert after.fetched_at == before.fetched_at
    assert after.failures == 1
    assert after.error
    upstream.coins(service="coingecko", mode="normal")
    clock.pass_by(60)
    both(clock)
    assert state("coingecko").failures == 0


def test_a_list_a_tenth_as_long_is_refused_until_the_old_one_is_old(upstream, clock):
    CoinSource.objects.update(rows=500)
    both(clock)
    upstream.coins(mode="partial")
    clock.pass_by(60)
    outcome, _ = both(clock)
    assert outcome.failed["coinmarketcap"] is Kind.SHRUNKEN
    assert len(served().rows) == 500
    clock.pass_by(3700)
    both(clock)
    assert len(served().rows) < 100


def test_a_merge_with_far_fewer_rows_is_not_served(upstream):
    put(*[f"A{number}" for number in range(100)])
    rows = [list(listing("A1"))]
    CoinSourceState.objects.filter(source__name="coingecko").update(rows=rows)
    assert refresh.publish(datetime.now(UTC)) is None
    assert len(served().rows) == 100


def test_a_namesake_at_coinmarketcap_does_not_become_ether(upstream, clock):
    upstream.coins(service="coinmarketcap", mode="clash")
    both(clock)
    ether = served().by_symbol()["ETH"]
    assert ether["price"].startswith("2771")


def test_an_alias_of_the_admin_decides(upstream, clock):
    gecko, cmc = (CoinSource.objects.get(name=name) for name in ("coingecko", "coinmarketcap"))
    CoinSource.objects.filter(name="cryptocompare").update(enabled=False)
    CoinSource.objects.filter(pk=gecko.pk).update(rank_position=1, price_position=None)
    CoinAlias.objects.create(source=gecko, key="bitcoin", coin="bitcoin")
    CoinAlias.objects.create(source=cmc, key="2", coin="bitcoin")  # Ethereum's id
    both(clock)
    assert served().by_symbol()["BTC"]["price"].startswith("2771")


def test_a_snapshot_and_points_are_kept_for_each_hour(upstream, clock):
    both(clock)
    clock.pass_by(60)
    both(clock)
    assert CoinSnapshot.objects.count() == 1
    assert CoinPoint.objects.count() == SIZE
    clock.pass_by(3600)
    both(clock)
    assert CoinSnapshot.objects.count() == 2
    assert CoinPoint.objects.filter(symbol="BTC").count() == 2


def test_old_history_goes_and_the_served_list_stays(upstream, clock):
    both(clock)
    assert retention.forget_old(START + timedelta(days=401)) == SIZE
    assert board.stored() is not None
    assert CoinPoint.objects.count() == 0


def test_a_second_refresh_at_the_same_time_asks_nobody(upstream, clock):
    assert refresh.claim("price", clock())
    assert refresh.claim("price", clock()) == []


def test_versions_only_rise_even_if_the_clock_goes_back(upstream):
    first = put("A", now=START)
    second = put("A", now=START - timedelta(hours=1))
    assert second.version > first.version


def test_an_answer_without_rows_is_no_answer(upstream):
    source = CoinSource.objects.get(name="coingecko")
    problem = refresh.record(source, Fetched([], 1), START)
    assert problem is not None
    assert problem.kind is Kind.SHRUNKEN


def test_until_there_is_a_list_sources_are_asked_every_few_seconds(upstream, clock):
    upstream.coins(mode="html")
    assert len(refresh.fetch_first(clock=clock)) == 3
    clock.pass_by(5)
    assert refresh.fetch_first(clock=clock) == []
    upstream.coins(mode="normal")
    clock.pass_by(5)
    assert len(refresh.fetch_first(clock=clock)) == 3
    assert len(served().rows) == SIZE
    clock.pass_by(3600)
    assert refresh.fetch_first(clock=clock) == []


def test_a_worker_that_starts_sends_for_the_first_list(monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.fetch_first, "apply_async", lambda **options: sent.append(options))
    worker_ready.send(sender=None)
    assert len(sent) == 1


def test_the_condition_names_who_fails_and_how_old_the_list_is(upstream, clock):
    assert health.condition(START).detail == "nothing was fetched yet"
    upstream.coins(service="coinmarketcap", mode="500")
    both(clock)
    board.memory.forget()
    found = health.condition(START + timedelta(seconds=200))
    assert (found.fresh, found.age_seconds) == (False, 200)
    assert found.detail.endswith("prices coingecko, ranks cryptocompare; coinmarketcap: server")


# --- Show 2 ---------------------------------------------------------------------------------------


def test_a_swap_of_ranks_reaches_list_hash_and_push_and_a_price_alone_leaves_the_rank_hash(
    upstream, clock
):
    both(clock)
    before = served()
    upstream.coins(service="cryptocompare", swap=["BTC", "ETH"])
    clock.pass_by(60)
    both(clock)
    swapped = served()
    assert [row["symbol"] for row in swapped.rows[:2]] == ["ETH", "BTC"]
    assert swapped.hash != before.hash
    assert swapped.rank_hash != before.rank_hash
    notice = told()["rank"]
    assert (notice["rank_hash"], notice["changed"]) == (swapped.rank_hash, 2)
    upstream.coins(service="coinmarketcap", prices={"BTC": 84360.5})
    clock.pass_by(60)
    both(clock)
    priced = served()
    assert priced.by_symbol()["BTC"]["price"] == "84360.5"
    assert priced.hash != swapped.hash
    assert priced.rank_hash == swapped.rank_hash
    assert told()["rank"] == notice
    assert told()["price"]["hash"] == priced.hash
