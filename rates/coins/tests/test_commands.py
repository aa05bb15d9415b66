"""``manage.py topcoins`` and ``manage.py coinsources``."""

import csv
import io
import json
import re

import pytest
from django.core.management import CommandError, call_command

from rates.coins.services import board
from rates.coins.tests.market import listing, put_rows
from rates.models import CoinSourceState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_remembered():
    board.memory.forget()
    yield
    board.memory.forget()


def run(name, *words):
    out, aside = io.StringIO(), io.StringIO()
    call_command(name, *words, stdout=out, stderr=aside)
    return out.getvalue(), aside.getvalue()


@pytest.fixture
def listed():
    put_rows(
        [
            listing("BTC", 1, "84359.81", name="Bitcoin", change_24h="-1.96", market_cap="168808"),
            listing("ETH", 2, "2771.04", name="Ethereum"),
        ]
    )


def test_the_table_is_readable_and_says_how_old_it_is(listed):
    out, aside = run("topcoins")
    head, first, second = out.splitlines()
    words = ["Rank", "Symbol", "Name", "Price", "USD", "24", "h", "%", "Market", "cap"]
    assert head.split() == [*words, "Volume", "24", "h"]
    assert first.split() == ["1", "BTC", "Bitcoin", "84,359.81", "-1.96", "168,808", "-"]
    assert second.split()[-3:] == ["-", "-", "-"]
    assert re.search(r"Prices from coingecko, \d s old", aside)


def test_csv_and_json_are_what_the_api_gives(listed, client):
    out, _ = run("topcoins", "--limit", "1", "--format", "csv")
    assert list(csv.reader(io.StringIO(out))) == [
        ["Rank", "Symbol", "Price USD"],
        ["1", "BTC", "84359.81"],
    ]
    out, _ = run("topcoins", "--format", "json", "--limit", "2")
    assert json.loads(out) == client.get("/api/v1/coins?limit=2").json()


def test_one_source_may_be_asked_for(listed):
    out, _ = run("topcoins", "--source", "coingecko", "--format", "json")
    assert [row["symbol"] for row in json.loads(out)["data"]] == ["BTC", "ETH"]
    with pytest.raises(CommandError, match="never fetched"):
        run("topcoins", "--source", "cryptocompare")


@pytest.mark.parametrize("limit", ["0", "501", "abc"])
def test_a_bad_limit_is_refused_with_the_allowed_ones(listed, limit):
    with pytest.raises(CommandError, match="1 to 500"):
        run("topcoins", f"--limit={limit}")


def test_before_the_first_fetch_it_says_so_and_refresh_fetches(upstream):
    with pytest.raises(CommandError, match="fetched yet"):
        run("topcoins")
    out, _ = run("topcoins", "--refresh", "--limit", "3")
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["BTC", "ETH", "USDT"]


def test_sources_show_health_budget_and_the_last_error(upstream):
    upstream.coins(service="coinmarketcap", mode="429_minute")
    run("topcoins", "--refresh")
    out, _ = run("coinsources")
    lines = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert "failing" in lines["CoinMarketCap"]
    assert "rate_minute: error 1008" in lines["CoinMarketCap"]
    assert " ok " in lines["CoinGecko"]
    assert "test-key" not in out
    found = {item["name"]: item for item in json.loads(run("coinsources", "--format", "json")[0])}
    assert found["cryptocompare"]["credits_used"] == 5
    assert found["coinmarketcap"]["failures"] == 1


def test_a_source_without_key_says_so(monkeypatch):
    monkeypatch.delenv("CRYPTOCOMPARE_API_KEY", raising=False)
    assert CoinSourceState.objects.count() == 3
    assert "no key" in run("coinsources")[0]
