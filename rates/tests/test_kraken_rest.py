"""The REST client against documented bodies, hostile ones, and the simulated exchange."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from foundation.errors import Unavailable
from rates.feeds.kraken_rest import AssetPair, ExchangeUnavailable, KrakenREST

WIRE = Path(__file__).parent / "wire"
PAIRS = (WIRE / "kraken_rest_assetpairs.json").read_text()
TICKER = (WIRE / "kraken_rest_ticker.json").read_text()
PAIR_ROW = json.loads(PAIRS)["result"]["XXBTZUSD"]


def answering(*bodies, status=200, seen=None):
    """A client whose calls are answered with ``bodies`` in turn."""
    waiting = list(bodies)

    def handle(request):
        if seen is not None:
            seen.append(str(request.url))
        return httpx.Response(status, content=waiting.pop(0))

    return KrakenREST("https://exchange.test", transport=httpx.MockTransport(handle))


def offering(**changed):
    row = PAIR_ROW | changed
    return answering(json.dumps({"error": [], "result": {"KEY": row}})).asset_pairs()


def test_the_documented_pairs_are_read_under_our_names():
    assert answering(PAIRS).asset_pairs() == [
        AssetPair("BTC_USD", "XXBTZUSD", Decimal("0.1"), 1, "online"),
        AssetPair("ETH_USD", "XETHZUSD", Decimal("0.01"), 2, "online"),
    ]


def test_dogecoin_has_an_old_name_too():
    (pair,) = offering(wsname="XDG/XBT")
    assert (pair.code, pair.symbol) == ("DOGE_BTC", "DOGE/BTC")


async def test_bid_and_ask_are_asked_for_by_rest_name_and_given_by_websocket_name():
    seen: list[str] = []
    client = answering(PAIRS, TICKER, seen=seen)
    prices = await client.top_of_book(["BTC/USD", "NO/SUCH"])
    assert prices == {"BTC/USD": (Decimal("84359.8"), Decimal("84359.9"))}
    assert seen[1].endswith("/0/public/Ticker?pair=XXBTZUSD")


async def test_the_names_are_asked_for_once():
    seen: list[str] = []
    client = answering(PAIRS, TICKER, TICKER, seen=seen)
    await client.top_of_book(["BTC/USD"])
    await client.top_of_book(["BTC/USD"])
    assert [url.split("?")[0].rsplit("/", 1)[1] for url in seen] == [
        "AssetPairs",
        "Ticker",
        "Ticker",
    ]


@pytest.mark.parametrize("name", ["kraken_rest_error", "kraken_rest_rate_limit"])
def test_an_error_with_status_200_is_an_error(name):
    body = (WIRE / f"{name}.json").read_text()
    with pytest.raises(ExchangeUnavailable, match=json.loads(body)["error"][0]) as raised:
        answering(body).asset_pairs()
    assert (raised.value.code, raised.value.status) == ("exchange_unavailable", 503)


def test_a_warning_is_not_an_error():
    body = json.dumps({"error": ["WGeneral:Deprecated"], "result": {"KEY": PAIR_ROW}})
    assert len(answering(body).asset_pairs()) == 1


@pytest.mark.parametrize(
    "body",
    [
        *("", "<html>", "null", "[]", "{}", "[" * 99_999, b"\xff\xfe", "9" * 5000),
        *('{"error":[]}', '{"error":"no","result":{}}', '{"error":[],"result":[]}'),
        '{"error":[7],"result":{}}',
    ],
)
def test_a_body_of_another_shape_is_unavailable(body):
    with pytest.raises(Unavailable):
        answering(body).asset_pairs()


@pytest.mark.parametrize("status", [301, 403, 429, 500, 503])
def test_any_status_but_success_is_unavailable(status):
    with pytest.raises(ExchangeUnavailable, match=str(status)):
        answering(PAIRS, status=status).asset_pairs()


def test_an_endless_body_is_cut_off():
    with pytest.raises(ExchangeUnavailable, match="too large"):
        answering(b" " * 16_000_001).asset_pairs()


def test_an_exchange_that_is_not_there_is_unavailable(unused_port):
    with pytest.raises(ExchangeUnavailable, match="ConnectError"):
        KrakenREST(f"http://127.0.0.1:{unused_port}").asset_pairs()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("tick_size", ["0", "-1", "NaN", "Infinity", "1e9", "1e-13", "x", None, []]),
        ("pair_decimals", [-1, 13, "1", True, None]),
        ("wsname", [None, "XBTUSD", "A/B/C", 7]),
    ],
)
def test_a_row_that_makes_no_sense_is_left_out(field, values):
    assert not [value for value in values if offering(**{field: value})]


@pytest.mark.parametrize("row", [None, [], {}, {"a": [], "b": []}, {"a": ["NaN"], "b": ["1"]}])
async def test_a_price_that_is_none_is_unavailable(row):
    body = json.dumps({"error": [], "result": {"XXBTZUSD": row}})
    with pytest.raises(ExchangeUnavailable):
        await answering(PAIRS, body).top_of_book(["BTC/USD"])


async def test_the_simulated_exchange_shows_one_price_on_both_interfaces(simulator):
    simulator.set(mode="silent")
    simulator.tick("BTC/EUR", "73228.20", "73228.30")
    prices = await KrakenREST(simulator.rest_url).top_of_book(["BTC/EUR", "DOGE/USD"])
    assert prices["BTC/EUR"] == (Decimal("73228.2"), Decimal("73228.3"))
    doge = simulator.state()["prices"]["DOGE/USD"]
    assert prices["DOGE/USD"] == (Decimal(doge["bid"]), Decimal(doge["ask"]))


def test_the_simulated_exchange_under_maintenance_is_unavailable(simulator):
    simulator.set(mode="maintenance")
    with pytest.raises(ExchangeUnavailable, match="EService:Unavailable"):
        KrakenREST(simulator.rest_url).asset_pairs()
