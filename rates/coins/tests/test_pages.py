"""The pages of top coins as a browser without JavaScript sees them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from rates.coins.services import board
from rates.coins.tests.market import listing, put, put_rows
from rates.models import CoinAlias, CoinPoint, CoinSource, CoinSourceState

pytestmark = pytest.mark.django_db
FIGURES = {"change_24h": "-1.96", "market_cap": "1688085612303.1", "volume_24h": "33235034316.2"}


@pytest.fixture(autouse=True)
def _nothing_remembered():
    board.memory.forget()
    yield
    board.memory.forget()


def text_of(response) -> str:
    body = re.sub(r"<(script|svg)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", body))


def put_many(count=120):
    return put_rows(
        [
            listing(f"S{n}", n, "84359.8123" if n == 1 else "1", name=f"Coin {n}", **FIGURES)
            for n in range(1, count + 1)
        ]
    )


def test_the_market_shows_every_figure_with_its_unit(client):
    put_many()
    seen = text_of(client.get("/coins/"))
    for figure in ("$84,359.8123", "\N{MINUS SIGN}1.96%", "$1.69 T", "$33.24 B", "Coin 1"):
        assert figure in seen
    assert re.search(r"Prices from coingecko, \d s ago", seen)


@pytest.mark.parametrize(
    ("query", "rows"),
    [("", 50), ("?limit=10", 10), ("?limit=100", 100), ("?limit=all", 120), ("?limit=999", 50)],
)
def test_the_limit_stands_in_the_address_and_holds_on_both_pages(client, query, rows):
    put_many()
    for path, mark in (("/coins/", "data-symbol="), ("/coins/liquidity/", "data-point")):
        body = client.get(path + query).content.decode()
        assert body.count(mark) == rows
    chosen = query.removeprefix("?limit=") or "50"
    if chosen != "999":
        assert f"/coins/liquidity/?limit={chosen}" in client.get(f"/coins/{query}").content.decode()


def test_a_stale_list_says_so_in_words(client):
    put("A", now=datetime.now(UTC) - timedelta(minutes=10))
    seen = text_of(client.get("/coins/"))
    assert "Stale" in seen
    assert "10 min ago" in seen


def test_coins_without_all_figures_are_left_out_of_the_drawing_and_counted(client):
    put_rows([listing("A", 1, **FIGURES), listing("B", 2)])
    page = client.get("/coins/liquidity/")
    assert page.content.decode().count("data-point") == 1
    assert "1 coin without all three figures is left out" in text_of(page)


def test_a_coins_page_has_its_past_its_sources_and_the_origin_of_each_figure(client):
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    CoinPoint.objects.create(symbol="A", hour=hour - timedelta(hours=1), price="1.5", rank=2)
    put_rows([listing("A", 1, "1.6", name="Alpha", **FIGURES)])
    CoinSourceState.objects.filter(source__name="coinmarketcap").update(
        rows=[list(listing("A", 3, "1.632"))], fetched_at=datetime.now(UTC)
    )
    page = client.get("/coins/A/")
    seen = text_of(page)
    assert "Alpha" in seen
    assert "+2.00%" in seen  # CoinMarketCap's price beside ours
    assert re.search(r"Market cap ?coingecko ?\d s ago", seen)
    assert "polyline" in page.content.decode()
    assert client.get("/coins/a/").status_code == 200


def test_namesakes_and_aliases_are_told_apart_as_where_lists_are_merged(client):
    gecko, cmc = (CoinSource.objects.get(name=name) for name in ("coingecko", "coinmarketcap"))
    for name, rows in {
        "coinmarketcap": [
            listing("A", 1, "99", key="fake"),
            listing("OLD-A", 2, "1.05", key="real"),
        ],
        "cryptocompare": [listing("A", 1, "500")],
    }.items():
        CoinSourceState.objects.filter(source__name=name).update(
            rows=[list(row) for row in rows], fetched_at=datetime.now(UTC) - timedelta(hours=2)
        )
    CoinAlias.objects.create(source=gecko, key="a", coin="a")
    CoinAlias.objects.create(source=cmc, key="real", coin="a")
    put_rows([listing("A", 1, "1")])
    seen = text_of(client.get("/coins/A/"))
    assert "+5.00%" in seen
    assert "CryptoCompare" not in seen.split("What each source says")[1]
    assert "9,800" not in seen


@pytest.mark.parametrize("path", ["/coins/", "/coins/liquidity/", "/coins/A/", "/coins/?limit=all"])
def test_pages_are_there_without_the_database(client, path):
    put_rows([listing("A", 1, **FIGURES)])
    board.current()

    def refuse(*args):
        raise OperationalError("gone")

    with connection.execute_wrapper(refuse):
        page = client.get(path)
    assert page.status_code == 200
    seen = text_of(page)
    assert "$1.69 T" in seen
    assert ("cannot be read just now" in seen) == (path != "/coins/liquidity/")


def test_what_is_not_above_zero_has_no_place_on_logarithmic_axes(client):
    put_rows([listing("A", 1, **FIGURES), listing("B", 2, **{**FIGURES, "volume_24h": "-3"})])
    assert client.get("/coins/liquidity/").content.decode().count("data-point") == 1


def test_an_unknown_coin_is_not_found(client):
    put("A")
    page = client.get("/coins/NOPE/")
    assert page.status_code == 404
    assert "NOPE is not among the top coins" in text_of(page)


def test_before_the_first_fetch_pages_say_so(client):
    for path in ("/coins/", "/coins/liquidity/", "/coins/BTC/"):
        page = client.get(path)
        assert page.status_code == 503
        assert "No source has answered yet" in text_of(page)


def test_names_of_coins_cannot_become_markup(client):
    put_rows([listing("<B>", 1, name="<script>alert(1)</script>", **FIGURES)])
    for path in ("/coins/", "/coins/liquidity/", "/coins/%3CB%3E/"):
        page = client.get(path)
        assert page.status_code == 200
        assert b"<script>alert" not in page.content


def test_pages_ask_the_database_a_fixed_number_of_questions(client, django_assert_max_num_queries):
    put_many(500)
    client.get("/coins/")
    with django_assert_max_num_queries(1):
        client.get("/coins/?limit=all")


def test_every_symbol_has_an_address(client):
    put_rows([listing("A/B", 1), listing("C", 2)])
    assert client.get("/coins/").status_code == 200
    call_command("topcoins", "--limit", "2")
