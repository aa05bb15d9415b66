"""What holdings are worth: by the desk's own prices, each with its age, and nothing left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.tests.people import make_user
from balances.constants import MAX_UINT256
from balances.models import TokenPreference
from balances.services import history, preferences, valuation
from balances.services.amounts import in_units, worth
from balances.services.holdings import NoPrice
from balances.services.valuation import usd_prices, usd_prices_at
from balances.tests import ledger
from balances.views.rows import Taste, sum_of
from rates.coins.tests.market import put
from rates.tests.desk import make_pair, put_candles
from rates.tests.quotes import message, publish

pytestmark = pytest.mark.django_db

ETHER = ledger.ETHER
# What rates.tests.quotes publishes, between bid and ask.
MID = Decimal("84359.85")


@pytest.fixture
def chain():
    return ledger.make_chain(head=50)


@pytest.fixture
def address():
    return ledger.make_address()


def held(address):
    return history.current(address)


# --- Prices -----------------------------------------------------------------------------------


def test_a_price_lies_between_bid_and_ask_and_has_its_age():
    publish(message("ETH_USD"))
    price = usd_prices(["ETH"])["ETH"]
    assert (price.usd, price.at) == (MID, datetime.fromtimestamp(1_790_000_000, UTC))
    assert price.live


def test_a_price_that_nobody_confirms_is_told_as_such():
    publish(message("ETH_USD"), age=60)
    assert not usd_prices(["ETH"])["ETH"].live


def test_what_has_no_pair_has_the_price_of_its_coin_with_its_age():
    publish(message("ETH_USD"))
    shown = put("ETH", "LINK", price="14.25")
    prices = usd_prices(["ETH", "LINK", "XYZ"])
    assert {symbol: price.usd for symbol, price in prices.items()} == {
        "ETH": MID,
        "LINK": Decimal("14.25"),
    }
    assert (prices["LINK"].at, prices["LINK"].live) == (shown.as_of, True)


def test_prices_of_coins_that_nobody_fetched_lately_are_told_as_such():
    put("LINK", price="14.25", now=timezone.now() - timedelta(hours=1))
    assert not usd_prices(["LINK"])["LINK"].live


def test_what_is_not_quoted_has_no_price_and_costs_no_error():
    publish(message("ETH_USD"))
    assert usd_prices(["XYZ"]) == {}
    assert usd_prices([]) == {}


def test_a_price_of_the_past_is_that_of_the_minute():
    pair = make_pair("ETH_USD")
    put_candles(pair, 100, 200, 300, step=timedelta(minutes=10))
    now = timezone.now()
    assert usd_prices_at(["ETH"], now)["ETH"].usd == 300
    assert usd_prices_at(["ETH"], now - timedelta(minutes=10))["ETH"].usd == 200
    assert usd_prices_at(["ETH"], now + timedelta(hours=2)) == {}
    assert usd_prices_at(["ETH"], now - timedelta(hours=5)) == {}


# --- Holdings -----------------------------------------------------------------------------------


def test_a_coin_is_worth_its_units_times_the_price(chain, address):
    publish(message("ETH_USD"))
    ledger.make_history(address, ledger.native(chain), {10: 15 * 10**17})
    (holding,) = held(address)
    assert (holding.usd, holding.usd_reason) == (Decimal("126539.78"), None)
    assert holding.usd_at == datetime.fromtimestamp(1_790_000_000, UTC)


def test_a_token_is_priced_by_what_the_desk_calls_it_and_not_by_what_it_calls_itself(
    chain, address
):
    publish(message("ETH_USD"))
    ledger.make_history(address, ledger.make_token(chain, 1, symbol="ETH"), {10: ETHER})
    ledger.make_history(address, ledger.make_token(chain, 2, price_symbol="ETH"), {10: ETHER})
    known = {bytes(h.token.contract)[-1:]: (h.usd, h.usd_reason) for h in held(address)}
    assert known[b"\x01"] == (None, NoPrice.NO_PAIR)
    assert known[b"\x02"] == (Decimal("84359.85"), None)


def test_a_stablecoin_without_a_pair_is_not_taken_for_a_dollar(chain, address):
    ledger.make_history(address, ledger.make_token(chain, price_symbol="USDC"), {10: ETHER})
    assert [h.usd for h in held(address)] == [None, None]


@pytest.mark.parametrize(
    ("facts", "value", "reason"),
    [
        ({"price_symbol": "ETH", "decimals": None}, 5, NoPrice.NO_DECIMALS),
        ({"price_symbol": "BTC"}, 5, NoPrice.NO_QUOTE),
        ({"price_symbol": ""}, 5, NoPrice.NO_PAIR),
        ({"price_symbol": "ETH"}, None, NoPrice.NO_VALUE),
    ],
)
def test_what_has_no_worth_says_why(chain, address, facts, value, reason):
    publish(message("ETH_USD"))
    make_pair("BTC_USD")
    ledger.hold(address, ledger.make_token(chain, **facts), value)
    found = {h.token.is_native: h for h in held(address)}
    assert (found[False].usd, found[False].usd_reason) == (None, reason)


def test_the_past_is_worth_what_it_was_worth_then(address):
    chain = ledger.make_chain()
    now = timezone.now()
    ledger.make_blocks(chain, [0], ts=now - timedelta(minutes=30))
    ledger.make_blocks(chain, [1], ts=now)
    ledger.span(chain, 0, 1)
    ledger.make_history(address, ledger.native(chain), {0: ETHER})
    publish(message("ETH_USD"))
    put_candles(make_pair("ETH_USD"), 100, 300, step=timedelta(minutes=30))
    assert [h.usd for h in history.balances_at(address, block=0)] == [Decimal("100.00")]
    assert [h.usd for h in history.balances_at(address, block=1)] == [Decimal("300.00")]
    assert [h.usd for h in history.current(address)] == [MID]


def test_the_past_without_a_price_of_its_time_has_no_worth(chain, address):
    publish(message("ETH_USD"))
    make_pair("ETH_USD")
    ledger.make_history(address, ledger.native(chain), {10: ETHER})
    (holding,) = history.balances_at(address, block=20)
    assert (holding.usd, holding.usd_reason) == (None, NoPrice.NO_PRICE_THEN)


# --- Totals -------------------------------------------------------------------------------------


def test_a_total_names_what_it_leaves_out(chain, address):
    publish(message("ETH_USD"))
    ledger.make_chain(1, head=3)
    ledger.make_history(address, ledger.native(chain), {10: 3 * ETHER})
    ledger.make_history(address, ledger.make_token(chain, 1, price_symbol="ETH"), {10: ETHER})
    ledger.make_history(address, ledger.make_token(chain, 2, symbol="XYZ"), {10: 1})
    ledger.make_history(address, ledger.make_token(chain, 3, symbol="NIL"), {10: 0})
    ledger.make_history(address, ledger.make_token(chain, 4, status="spam"), {10: 1})
    ledger.hold(address, ledger.make_token(chain, 5), None)
    found = valuation.totals(held(address))
    assert found.usd == MID * 4
    assert [token.symbol for token in found.unpriced] == ["XYZ"]
    # The coin of the other chain was never read, nor was the fifth token.
    assert (found.loading, found.unknown, found.complete) == (0, 2, False)
    assert found.spam == 1
    assert found.oldest == datetime.fromtimestamp(1_790_000_000, UTC)


def test_a_total_follows_its_users_own_word_on_a_token(chain, address):
    publish(message("ETH_USD"))
    user = make_user()
    bait = ledger.make_token(chain, 1, price_symbol="ETH", status="spam")
    dull = ledger.make_token(chain, 2, price_symbol="ETH")
    for token, shown in ((bait, True), (dull, False)):
        ledger.make_history(address, token, {10: ETHER})
        TokenPreference.objects.create(owner=user, token=token, shown=shown)
    ledger.make_history(address, ledger.native(chain), {10: 2 * ETHER})
    found = valuation.totals(held(address), shows=preferences.of(user))
    assert (found.usd, found.spam) == (MID * 3, 1)
    page = sum_of(Taste(user).shown(held(address)), Taste(user).hidden(held(address)))
    assert (page.usd, page.hidden) == (MID * 3, 1)
    client = Client()
    client.force_login(user)
    told = client.get(f"/api/v1/balances/{address}").json()["totals"]
    assert (Decimal(told["usd"]), told["spam"]) == (MID * 3, 1)


def test_shares_are_of_what_is_priced_largest_first(chain, address):
    publish(message("ETH_USD"), message("BTC_USD"))
    ledger.make_history(address, ledger.native(chain), {10: ETHER})
    token = ledger.make_token(chain, price_symbol="BTC", decimals=8)
    ledger.make_history(address, token, {10: 3 * 10**8})
    shares = valuation.totals(held(address)).shares
    assert [(s.symbol, s.percent) for s in shares] == [
        ("BTC", Decimal("75.00")),
        ("ETH", Decimal("25.00")),
    ]


def test_nothing_is_worth_nothing_and_complete():
    found = valuation.totals([])
    assert (found.usd, found.complete) == (Decimal(0), True)
    assert not found.shares


# --- Amounts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0, 18, "0"),
        (1, 18, "0.000000000000000001"),
        (1_500_000, 6, "1.5"),
        (10**18, 18, "1"),
        (MAX_UINT256, 0, str(MAX_UINT256)),
        (MAX_UINT256, None, str(MAX_UINT256)),
        (MAX_UINT256, 77, f"1.{str(MAX_UINT256)[1:]}"),
        (1, 255, "0." + "0" * 254 + "1"),
    ],
)
def test_units_keep_every_digit(value, decimals, text):
    assert in_units(value, decimals) == text


def test_worth_is_exact_to_the_cent_however_large():
    exact = MAX_UINT256 * 101
    assert f"{worth(MAX_UINT256, 0, Decimal('1.01')):f}" == f"{exact // 100}.{exact % 100:02d}"
    assert worth(1, 18, Decimal(3000)) == 0
