"""Which list is served: the newest, from sources that are not too old, and never a torso."""

from datetime import UTC, datetime, timedelta

import pytest

from foundation import valkey
from rates.coins import constants as c
from rates.coins.services import board, refresh
from rates.coins.services.coin_list import CoinList
from rates.coins.tests.market import START, listing, put
from rates.models import CoinSnapshot, CoinSource, CoinSourceState

pytestmark = pytest.mark.django_db
KEYS = (c.KEY_META, c.KEY_ROWS, c.KEY_JSON, c.KEY_CSV)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    CoinSource.objects.update(monthly_credits=None)
    board.memory.forget()
    yield
    board.memory.forget()


def says(name, *rows, ago=0, **facts):
    CoinSourceState.objects.filter(source__name=name).update(
        rows=[list(row) for row in rows], fetched_at=START - timedelta(seconds=ago), **facts
    )


def symbols(shown):
    return [row["symbol"] for row in shown.rows]


# --- Never back in time ---------------------------------------------------------------------------


def test_a_valkey_that_comes_back_with_old_rows_is_not_believed():
    put("A")
    old = {key: valkey.client().dump(key) for key in KEYS}
    put("B")
    assert symbols(board.current().shown) == ["B"]
    for key, value in old.items():
        assert value is not None
        valkey.client().restore(key, 0, value, replace=True)
    board.memory.doubt()
    assert symbols(board.current().shown) == ["B"]


def test_a_list_that_is_published_late_does_not_replace_a_newer_one():
    older, newer = put("A"), put("B")
    assert not board.write(older)
    board.memory.forget()
    assert board.current().shown.version == newer.version
    assert board.write(newer)


def test_the_newest_snapshot_is_that_of_the_highest_version():
    put("A", now=START)
    put("B", now=START - timedelta(hours=3))
    newest = CoinSnapshot.objects.newest()
    assert newest is not None
    assert newest.hour < START.replace(minute=0)


# --- Old figures ----------------------------------------------------------------------------------


def test_a_figure_of_yesterday_fills_no_gap_beside_a_fresh_source():
    says("coinmarketcap", listing("A", 1, "1"))
    says("coingecko", listing("A", 1, "1", market_cap="7"), ago=7200)
    shown = refresh.publish(START)
    assert shown is not None
    assert shown.rows[0]["market_cap"] is None
    says("coingecko", listing("A", 1, "1", market_cap="7"), ago=1800)
    shown = refresh.publish(START)
    assert shown is not None
    assert (shown.rows[0]["market_cap"], shown.rows[0]["from"]["market_cap"]) == ("7", "coingecko")


def test_old_ranks_are_better_than_none_but_bring_no_old_figures():
    CoinSource.objects.exclude(name="cryptocompare").update(rank_position=None)
    says("cryptocompare", listing("A", 1, "1", market_cap="7"), ago=7200)
    says("coinmarketcap", listing("A", 1, "1"))
    shown = refresh.publish(START)
    assert shown is not None
    assert shown.rank_source == "cryptocompare"
    assert shown.rows[0]["market_cap"] is None


def test_where_nothing_is_fresh_everything_known_is_served():
    says("coinmarketcap", listing("A", 1, "1"), ago=7200)
    says("coingecko", listing("A", 1, "1", market_cap="7"), ago=9000)
    shown = refresh.publish(START)
    assert shown is not None
    assert shown.rows[0]["market_cap"] == "7"


def test_the_list_tells_how_old_the_sources_are_that_it_names(client):
    put("A")
    told = client.get("/api/v1/coins?fields=from").json()["meta"]["sources"]
    assert set(told) == {"coingecko"}
    assert datetime.fromisoformat(told["coingecko"]) <= datetime.now(UTC)
    assert "sources" not in client.get("/api/v1/coins").json()["meta"]


# --- Ranks that stay ------------------------------------------------------------------------------


def spread_out(**facts):
    """CoinMarketCap is asked every nine minutes or so, and ranks before CoinGecko."""
    allowance = {"monthly_credits": 15_000, "rows": 500, **facts}
    CoinSource.objects.filter(name="coinmarketcap").update(**allowance)
    says(
        "coinmarketcap", listing("A", 1), listing("B", 2), ago=400, month="2026-11", credits=10_000
    )
    says("coingecko", listing("B", 1), listing("A", 2))


def test_ranks_stay_with_a_source_that_is_seldom_asked_while_prices_do_not():
    spread_out()
    shown = refresh.publish(START)
    assert shown is not None
    assert (shown.rank_source, shown.price_source) == ("coinmarketcap", "coingecko")
    assert not shown.is_stale(START)


def test_ranks_leave_a_source_that_fails():
    spread_out()
    CoinSourceState.objects.filter(source__name="coinmarketcap").update(error="server")
    shown = refresh.publish(START)
    assert shown is not None
    assert shown.rank_source == "coingecko"


def test_ranks_that_are_older_than_their_interval_are_stale():
    at = START - timedelta(seconds=600)
    shown = CoinList(1, [], {"p": START, "r": at}, "p", "r", ranks_last=583)
    assert not shown.is_stale(START)
    assert shown.is_stale(START + timedelta(seconds=20))


# --- Short lists ----------------------------------------------------------------------------------


def many(count):
    return [listing(f"S{number}", number) for number in range(1, count + 1)]


def test_the_next_source_of_ranks_is_tried_where_the_first_gives_a_short_list():
    says("coinmarketcap", *many(100))
    says("cryptocompare", *many(100))
    assert refresh.publish(START)
    says("cryptocompare", *many(10))
    shown = refresh.publish(START)
    assert shown is not None
    assert (shown.rank_source, len(shown.rows)) == ("coinmarketcap", 100)


def test_a_list_that_is_withheld_is_counted():
    says("coinmarketcap", *many(100))
    assert refresh.publish(START)
    says("coinmarketcap", *many(10))
    assert refresh.publish(START) is None
    assert valkey.client().get(c.KEY_WITHHELD) == b"1"


def test_a_list_may_be_as_short_as_an_operator_has_made_it():
    says("coinmarketcap", *many(100))
    assert refresh.publish(START)
    CoinSource.objects.filter(name="coinmarketcap").update(rows=20)
    says("coinmarketcap", *many(20))
    shown = refresh.publish(START)
    assert shown is not None
    assert len(shown.rows) == 20
