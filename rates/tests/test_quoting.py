from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rates.services.quoting import Spread, Unquotable, market_defect, quote

TICK = D("0.1")


def bps(buy, sell, *, low="0", high="500"):
    return Spread("bps", D(buy), D(sell), D(low), D(high), version=1)


def absolute(buy, sell, *, low="-500", high="500"):
    return Spread("absolute", D(buy), D(sell), D(low), D(high), version=1)


def test_fifty_basis_points_a_side_as_in_the_design_note():
    priced = quote(bid=D("84359.8"), ask=D("84359.9"), spread=bps("50", "-50"), tick=TICK)
    assert (priced.buy, priced.sell) == (D("84781.7"), D("83938.0"))
    assert (priced.spread_buy, priced.spread_sell) == (D("421.8"), D("-421.8"))


def test_buy_comes_from_the_ask_and_sell_from_the_bid():
    priced = quote(bid=D("99"), ask=D("101"), spread=bps("0", "0"), tick=TICK)
    assert (priced.buy, priced.sell) == (D("101"), D("99"))


def test_rounding_goes_against_the_customer_on_both_sides():
    priced = quote(bid=D("100"), ask=D("100"), spread=absolute("0.01", "-0.01"), tick=TICK)
    assert (priced.buy, priced.sell) == (D("100.1"), D("99.9"))


def test_an_offset_below_the_clamp_is_raised_to_it_and_marked():
    priced = quote(bid=D("1000"), ask=D("1000"), spread=bps("1", "-1", low="10"), tick=TICK)
    assert priced.clamped
    assert (priced.buy, priced.sell) == (D("1001"), D("999"))


def test_an_offset_above_the_clamp_is_cut_to_it_and_marked():
    priced = quote(bid=D("1000"), ask=D("1000"), spread=bps("5000", "-50", high="50"), tick=TICK)
    assert priced.clamped
    assert priced.buy == D("1005")


def test_a_result_where_the_customer_sells_above_buying_is_refused_with_the_numbers():
    with pytest.raises(Unquotable) as refused:
        quote(bid=D("100"), ask=D("100"), spread=absolute("-1", "1"), tick=TICK)
    assert refused.value.reason == "result_crossed"
    assert "101" in str(refused.value)
    assert "99" in str(refused.value)


def test_a_customer_never_sells_at_nothing_or_less():
    with pytest.raises(Unquotable) as refused:
        quote(bid=D("0.1"), ask=D("0.2"), spread=absolute("0", "-5", high="9999"), tick=D("1"))
    assert refused.value.reason == "result_not_positive"


@pytest.mark.parametrize(
    ("bid", "ask", "defect"),
    [
        ("1", "2", None),
        ("2", "2", None),
        ("3", "2", "crossed"),
        ("0", "2", "not_positive"),
        ("-1", "2", "not_positive"),
        ("1", "NaN", "not_a_number"),
        ("1", "Infinity", "not_a_number"),
    ],
)
def test_a_market_price_that_cannot_be_quoted_is_named(bid, ask, defect):
    assert market_defect(D(bid), D(ask)) == defect


prices = st.decimals("0.00000001", "10000000", places=8, allow_nan=False)
offsets = st.decimals("-600", "600", places=4, allow_nan=False)
ticks = st.sampled_from([D("0.00000001"), D("0.01"), D("0.1"), D("0.5"), D("1")])


@given(prices, prices, offsets, offsets, ticks, st.sampled_from(["bps", "absolute"]))
def test_every_quote_satisfies_the_invariants(one, other, buy, sell, tick, unit):
    bid, ask = sorted((one, other))
    spread = Spread(unit, buy, sell, D("-300"), D("500"), version=1)
    try:
        priced = quote(bid=bid, ask=ask, spread=spread, tick=tick)
    except Unquotable as refused:
        assert refused.reason in ("result_crossed", "result_not_positive")
        return
    assert priced.original_buy + priced.spread_buy == priced.buy
    assert priced.original_sell + priced.spread_sell == priced.sell
    assert 0 < priced.sell <= priced.buy
    assert priced.buy % tick == 0
    assert priced.sell % tick == 0


@given(prices, st.decimals("0", "400", places=4), st.decimals("0", "100", places=4), ticks)
def test_outward_offsets_never_favour_the_customer_and_wider_is_never_better(
    mid, offset, more, tick
):
    narrow = bps(offset, -offset)
    wide = bps(offset + more, -(offset + more))
    try:
        priced = quote(bid=mid, ask=mid, spread=narrow, tick=tick)
        wider = quote(bid=mid, ask=mid, spread=wide, tick=tick)
    except Unquotable as refused:
        assert refused.reason == "result_not_positive"
        return
    assert priced.buy >= mid >= priced.sell
    assert wider.buy >= priced.buy
    assert wider.sell <= priced.sell
