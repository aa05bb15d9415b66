"""The three adapters: recorded shapes, and every failure over real sockets."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from rates.coins.sources import ADAPTERS, coingecko, coinmarketcap, cryptocompare, download
from rates.coins.sources.listing import Kind, SourceFailed

WIRE = Path(__file__).parent / "wire"


def recorded(name, status=200):
    return download.Answer(status, download.parse((WIRE / name).read_bytes()), None)


@pytest.fixture
def adapter(simulator):
    simulator.coins(reset=True, clock=0)

    def make(name, key="k", wire="v3"):
        return ADAPTERS[name](f"{simulator.rest_url}/{name}", key=key, wire=wire)

    yield make
    simulator.coins(reset=True)


# --- Recorded shapes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "cmc_v1_listings_latest.json",
        "cmc_v3_listings_latest.json",
        "cmc_v3_listings_latest_keyless.json",
    ],
)
def test_both_versions_of_coinmarketcap_are_read_alike(name):
    first = coinmarketcap.read(recorded(name)).rows[0]
    assert (first.key, first.symbol, first.rank, first.price) == ("1", "BTC", 1, "84359.8123")
    assert first.change_24h == "-1.96"
    assert first.market_cap == "1688085612303.1"


def test_coingecko_keeps_the_digits_and_rows_without_a_rank():
    rows, unreadable = coingecko.read(recorded("coingecko_coins_markets.json"))
    assert unreadable == 0
    assert [(row.symbol, row.price) for row in rows[:2]] == [("BTC", "84359"), ("ETH", "2771.04")]
    assert all(row.symbol == row.symbol.upper() for row in rows)


def test_cryptocompare_ranks_by_place_and_reads_rows_without_figures():
    rows, unreadable, full = cryptocompare.read(
        recorded("cryptocompare_top_mktcapfull.json"), first=101
    )
    assert [row.rank for row in rows] == [101, 102, 103]
    assert (unreadable, full) == (0, False)
    assert rows[0].price == "84359.81"
    assert rows[2].price is None


def test_the_list_by_volume_is_the_same_shape():
    assert cryptocompare.read(recorded("cryptocompare_top_totalvolfull.json"))[0]


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("cmc_error_401_invalid.json", 401, Kind.KEY),
        ("cmc_error_401_missing.json", 401, Kind.KEY),
        ("cmc_error_402_plan.json", 402, Kind.PAYMENT),
        ("cmc_error_403_plan.json", 403, Kind.PLAN),
        ("cmc_error_429_minute.json", 429, Kind.MINUTE),
        ("cmc_error_429_day.json", 429, Kind.DAY),
        ("cmc_error_429_month.json", 429, Kind.MONTH),
        ("cmc_error_429_ip.json", 429, Kind.ADDRESS),
        ("cmc_error_500.json", 500, Kind.SERVER),
        # The code says what happened, whatever the status.
        ("cmc_error_429_month.json", 200, Kind.MONTH),
    ],
)
def test_coinmarketcaps_codes_have_their_kinds(name, status, kind):
    with pytest.raises(SourceFailed) as failed:
        coinmarketcap.read(recorded(name, status))
    assert failed.value.kind is kind


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("cryptocompare_error_http200_ratelimit.json", 200, Kind.MINUTE),
        ("cryptocompare_error_http200_param.json", 200, Kind.REFUSED),
        ("cryptocompare_error_http401_nokey.json", 401, Kind.KEY),
    ],
)
def test_cryptocompares_errors_have_their_kinds(name, status, kind):
    with pytest.raises(SourceFailed) as failed:
        cryptocompare.read(recorded(name, status))
    assert failed.value.kind is kind


@pytest.mark.parametrize("status", [200, 429])
def test_coingeckos_limit_is_seen_with_either_status(status):
    with pytest.raises(SourceFailed) as failed:
        coingecko.read(recorded("coingecko_error_429.json", status))
    assert failed.value.kind is Kind.MINUTE


def test_every_recorded_file_is_read_by_some_test():
    text = Path(__file__).read_text()
    assert [path.name for path in WIRE.iterdir() if path.name not in text] == []


@pytest.mark.parametrize("price", ["NaN", "true", '"1"', "0", "-1", "1e400", "[]", "null"])
def test_what_is_no_price_is_no_price(price):
    text = f'[{{"id": "x", "symbol": "x", "name": "X", "current_price": {price}}}]'
    answer = download.Answer(200, download.parse(text.encode()), None)
    if answer.document is None:  # NaN is no JSON
        return
    rows, _ = coingecko.read(answer)
    assert rows[0].price is None


def test_symbols_and_names_lose_what_cannot_be_seen():
    row = {"id": "x", "symbol": "a\u202eb\x00\n", "name": "N\u200bame\x1b", "current_price": 1}
    (found,), _ = coingecko.read(download.Answer(200, [row], None))
    assert (found.symbol, found.name) == ("AB", "Name")


# --- Over sockets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wire"),
    [("coinmarketcap", "v1"), ("coinmarketcap", "v3"), ("cryptocompare", ""), ("coingecko", "")],
)
def test_five_hundred_rows_come_in_rank_order(adapter, name, wire):
    fetched = adapter(name, wire=wire).fetch(500)
    assert len(fetched.rows) == 500
    assert [row.rank for row in fetched.rows] == list(range(1, 501))
    assert fetched.credits == {"coinmarketcap": 3, "cryptocompare": 5, "coingecko": 2}[name]


def test_sponsored_rows_are_not_in_the_list(adapter):
    prices = [row.price for row in adapter("cryptocompare").fetch(100).rows]
    assert "9.99" not in prices


def test_coinmarketcap_answers_without_a_key_at_its_public_door(adapter):
    fetched = adapter("coinmarketcap", key="").fetch(200)
    assert (len(fetched.rows), fetched.credits) == (200, 0)


def test_tiny_prices_are_plain_digits(adapter):
    rows = {row.symbol: row for row in adapter("coinmarketcap").fetch(500).rows}
    assert "e" not in rows["BONK"].price.lower()
    assert Decimal(rows["BONK"].price) == Decimal("1.2e-7")


@pytest.mark.parametrize("name", list(ADAPTERS))
@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("401", {Kind.KEY}),
        ("402", {Kind.PAYMENT}),
        ("403", {Kind.PLAN}),
        ("429_minute", {Kind.MINUTE}),
        ("429_day", {Kind.DAY, Kind.MINUTE}),
        ("429_month", {Kind.MONTH, Kind.MINUTE}),
        ("429_ip", {Kind.ADDRESS, Kind.MINUTE}),
        ("500", {Kind.SERVER}),
        ("200_error", {Kind.MINUTE}),
        ("html", {Kind.SERVER}),
        # A page is no word on the key.
        ("html_403", {Kind.ADDRESS}),
        ("truncated", {Kind.NOT_JSON, Kind.REFUSED, Kind.SHAPE}),
    ],
)
def test_every_failure_is_told_as_what_it_is(adapter, simulator, name, mode, kinds):
    simulator.coins(mode=mode)
    with pytest.raises(SourceFailed) as failed:
        adapter(name, key="secret-key").fetch(200)
    assert failed.value.kind in kinds
    assert "secret-key" not in failed.value.message
    assert "127.0.0.1" not in failed.value.message


def test_the_wait_that_a_source_asks_for_is_kept(adapter, simulator):
    simulator.coins(mode="429_minute")
    with pytest.raises(SourceFailed) as failed:
        adapter("coingecko").fetch(10)
    assert failed.value.retry_after == 45


def test_a_slow_source_is_given_up(adapter, simulator, monkeypatch):
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.2)
    simulator.coins(mode="slow", delay=3)
    with pytest.raises(SourceFailed) as failed:
        adapter("coingecko").fetch(10)
    assert failed.value.kind is Kind.TIMEOUT


def test_an_answer_without_end_is_cut(adapter, monkeypatch):
    monkeypatch.setattr(download, "LARGEST_BODY", 1000)
    with pytest.raises(SourceFailed) as failed:
        adapter("coingecko").fetch(250)
    assert failed.value.kind is Kind.TOO_LARGE


def test_nobody_at_the_address_is_a_failure_like_others(unused_port):
    with pytest.raises(SourceFailed) as failed:
        ADAPTERS["coingecko"](f"http://127.0.0.1:{unused_port}").fetch(10)
    assert failed.value.kind is Kind.UNREACHABLE


def test_a_document_deeper_than_the_stack_is_no_document():
    assert download.parse(b"[" * 200_000) is None
    assert download.parse(json.dumps({"a": 1}).encode()) == {"a": 1}
