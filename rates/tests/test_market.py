from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from rates.feeds.source import Tick
from rates.services.feed.market import Market

JUMP = D("100")


def tick(bid, ask, at=0.0):
    zero = D(0)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Tick("BTC/USD", D(bid), D(ask), D(bid), zero, zero, zero, zero, at, now, None, False)


@pytest.fixture
def market():
    market = Market()
    market.take(tick("100", "101"), JUMP)
    return market


def test_a_new_price_is_a_change(market):
    assert market.take(tick("100.1", "101"), JUMP) is True
    assert market.tick.bid == D("100.1")


def test_the_same_price_only_refreshes_the_age(market):
    assert market.take(tick("100", "101", at=9.0), JUMP) is False
    assert market.seen == 9.0


@pytest.mark.parametrize(
    ("bid", "ask", "doubt"), [("102", "101", "crossed"), ("0", "101", "not_positive")]
)
def test_an_unsound_price_is_doubted_and_the_last_sound_one_stays(market, bid, ask, doubt):
    assert market.take(tick(bid, ask), JUMP) is True
    assert market.doubt == doubt
    assert market.tick.bid == D("100")


def test_a_sound_price_ends_the_doubt(market):
    market.take(tick("102", "101"), JUMP)
    assert market.take(tick("100", "101"), JUMP) is True
    assert market.doubt is None


def test_a_jump_is_held_until_three_ticks_agree(market):
    for attempt in range(2):
        market.take(tick("150", "151", at=attempt), JUMP)
        assert (market.doubt, market.tick.bid) == ("jump", D("100"))
    market.take(tick("150.1", "151", at=3), JUMP)
    assert (market.doubt, market.tick.bid) == (None, D("150.1"))


def test_jumps_that_disagree_among_themselves_never_add_up(market):
    for bid, ask in [("150", "151"), ("200", "201"), ("150", "151"), ("200", "201")]:
        market.take(tick(bid, ask), JUMP)
    assert market.doubt == "jump"


def test_after_a_long_silence_any_sound_price_is_news(market):
    market.take(tick("150", "151", at=61.0), JUMP)
    assert market.doubt is None
