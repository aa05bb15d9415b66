"""The builder: which part of which minute comes out when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest

from rates.services.candles import CandleBuilder, CandlePart

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Feed:
    """A builder whose ticks number themselves; the ask is always 1 above the bid."""

    def __init__(self, epoch=7):
        self.builder, self.epoch, self.seq = CandleBuilder(), epoch, 0

    def tick(self, bid, seconds=0.0, pair="BTC_USD", version=3):
        self.seq += 1
        at = NOON + timedelta(seconds=seconds)
        return self.builder.add(
            pair, D(bid), D(bid) + 1, at, seq=self.seq, epoch=self.epoch, spread_version=version
        )


def test_a_part_comes_out_with_the_first_tick_of_the_next_minute():
    feed = Feed()
    assert [feed.tick("10", 1), feed.tick("14", 2), feed.tick("9", 3), feed.tick("11", 59)] == [
        [],
    ] * 4
    (part,) = feed.tick("12", 60)
    assert (part.bucket, part.ticks, part.first_seq, part.last_seq) == (NOON, 4, 1, 4)
    assert (part.bid_o, part.bid_h, part.bid_l, part.bid_c) == (D(10), D(14), D(9), D(11))
    assert (part.ask_o, part.ask_h, part.ask_l, part.ask_c) == (D(11), D(15), D(10), D(12))


def test_the_clock_closes_a_minute_in_which_no_more_ticks_come():
    feed = Feed()
    feed.tick("10", 30)
    assert feed.builder.close_before(NOON + timedelta(seconds=59)) == []
    (part,) = feed.builder.close_before(NOON + timedelta(seconds=60))
    assert (part.ticks, feed.builder.open_parts()) == (1, [])


def test_a_late_tick_of_a_closed_minute_becomes_a_part_of_its_own():
    feed = Feed()
    feed.tick("10", 59)
    feed.builder.close_before(NOON + timedelta(seconds=60))
    feed.tick("11", 59.9)
    (part,) = feed.tick("12", 61)
    assert (part.bucket, part.first_seq, part.last_seq, part.ticks) == (NOON, 2, 2, 1)


def test_pairs_do_not_mix_and_open_parts_can_be_taken_at_shutdown():
    feed = Feed()
    feed.tick("10")
    feed.tick("500", pair="ETH_USD")
    assert [(part.pair, part.bid_c) for part in feed.builder.open_parts()] == [
        ("BTC_USD", D(10)),
        ("ETH_USD", D(500)),
    ]


def test_a_new_epoch_begins_a_new_part_of_the_same_minute():
    feed = Feed()
    feed.tick("10")
    feed.epoch = 8
    (part,) = feed.tick("11")
    assert (part.epoch, [p.epoch for p in feed.builder.open_parts()]) == (7, [8])


def test_minutes_are_utc_whatever_zone_the_time_is_in():
    builder = CandleBuilder()
    at = datetime.fromisoformat("2026-03-01T17:30:05+05:30")
    builder.add("BTC_USD", D(1), D(2), at, seq=1, epoch=1, spread_version=0)
    assert builder.open_parts()[0].bucket == NOON


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        CandleBuilder().add(
            "BTC_USD", D(1), D(2), datetime(2026, 1, 1), seq=1, epoch=1, spread_version=0
        )


def test_a_part_survives_the_stream_to_the_last_digit():
    feed = Feed()
    feed.tick("84359.900000000001")
    (part,) = feed.builder.open_parts()
    assert CandlePart.decode(part.encode()) == part


@pytest.mark.parametrize(
    "wrong",
    [
        {"bid_o": "NaN"},
        {"bid_o": "1e999999999"},
        {"ask_h": "0"},
        {"ask_c": "ten"},
        {"ticks": "0"},
        {"ticks": "1.5"},
        {"last_seq": "0"},
        {"bucket": "yesterday"},
        {"bucket": "2026-03-01T12:00:01+00:00"},
        {"bucket": "2026-03-01T12:00:00"},
    ],
)
def test_a_broken_part_is_refused_as_a_value_error(wrong):
    feed = Feed()
    feed.tick("10")
    (part,) = feed.builder.open_parts()
    with pytest.raises(ValueError, match=r".+"):
        CandlePart.decode(part.encode() | wrong)
