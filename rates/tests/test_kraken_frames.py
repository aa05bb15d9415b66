"""What may come out of the socket, and what is made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rates.feeds import kraken_frames as frames

WIRE = Path(__file__).parent / "wire"
NOW = datetime(2026, 11, 21, 7, 0, 1, tzinfo=UTC)
ROW = {
    "symbol": "BTC/USD",
    "bid": 84359.8,
    "bid_qty": 1,
    "ask": 84359.9,
    "ask_qty": 1,
    "last": 84359.8,
    "volume": 2158,
    "vwap": 84194.5,
    "low": 82824.0,
    "high": 86300.0,
    "change": -1679.9,
    "change_pct": -1.96,
}
WORDS = ["channel", "ticker", "type", "update", "data", "method", "subscribe", "success", "status"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=6)
    ),
)
ANY_VALUE: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([{}])
)


def read(raw):
    return frames.read(raw, received=7.0, received_at=NOW)


def wire(name):
    return (WIRE / f"{name}.json").read_text()


def ticker(row=ROW, kind="update", **changed):
    return json.dumps({"channel": "ticker", "type": kind, "data": [row | changed]})


def only_tick(raw):
    frame = read(raw)
    assert isinstance(frame, frames.Ticks), frame
    (tick,) = frame.ticks
    return tick


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kraken_ws2_heartbeat", frames.Heartbeat()),
        ("kraken_ws2_pong", frames.Heartbeat()),
        ("kraken_ws2_status", frames.Status("online")),
        ("kraken_ws2_status_maintenance", frames.Status("maintenance")),
        ("kraken_ws2_subscribe_ack", frames.Answer("subscribe", "BTC/USD", "")),
        (
            "kraken_ws2_subscribe_error",
            frames.Answer("subscribe", "XBT/USD", "Currency pair not supported XBT/USD"),
        ),
        ("kraken_ws2_rate_error", frames.RateExceeded()),
        # What we send is not what we are sent; an echo is dropped.
        ("kraken_ws2_ping", frames.Bad("unknown_answer")),
        ("kraken_ws2_subscribe_request", frames.Bad("unknown_answer")),
        ("kraken_ws2_unsubscribe_request", frames.Bad("unknown_answer")),
    ],
)
def test_each_documented_frame_is_understood(name, expected):
    assert read(wire(name)) == expected


@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_snapshot_and_update_have_one_shape(kind):
    tick = only_tick(wire(f"kraken_ws2_ticker_{kind}"))
    assert tick.symbol == "BTC/USD"
    assert tick.snapshot is (kind == "snapshot")
    assert tick.ask - tick.bid == Decimal("0.1")
    assert (tick.received, tick.received_at) == (7.0, NOW)
    assert tick.source_time.tzinfo is UTC


def test_every_frame_of_the_recorded_session_is_readable():
    session = json.loads(wire("kraken_ws2_session"))
    received = [step["frame"] for step in session if step["dir"] == "recv" and "frame" in step]
    assert not [f for f in received if isinstance(read(json.dumps(f)), frames.Bad)]


def test_every_websocket_sample_is_covered_here():
    named = Path(__file__).read_text()
    missing = [path.stem for path in WIRE.glob("kraken_ws2_*.json") if path.stem not in named]
    assert set(missing) <= {"kraken_ws2_ticker_snapshot", "kraken_ws2_ticker_update"}


@pytest.mark.parametrize("digits", ["84359.90", "84359.9", "0.1376214", "1E-7", "84360"])
def test_a_price_keeps_the_digits_it_was_sent_with(digits):
    raw = ticker().replace('"bid": 84359.8', f'"bid": {digits}')
    assert str(only_tick(raw).bid) == digits


def test_a_missing_timestamp_is_allowed():
    assert only_tick(ticker()).source_time is None


@pytest.mark.parametrize(
    "stamp", [7, "", "yesterday", "2026-11-21", "2026-11-21T07:00:00", "9999-99-99T00:00:00Z"]
)
def test_a_timestamp_that_is_none_makes_the_frame_bad(stamp):
    assert read(ticker(timestamp=stamp)) == frames.Bad("timestamp")


@pytest.mark.parametrize("value", ["84359.8", None, True, [1], {}, 1e300, -1e300, 1e-300, 10**17])
def test_a_price_that_is_no_ordinary_number_makes_the_frame_bad(value):
    assert read(ticker(bid=value)) == frames.Bad("bid")


@pytest.mark.parametrize("digits", ["0e99", "1e999999999", "0." + "1" * 40, "1e-19"])
def test_a_price_of_absurd_digits_makes_the_frame_bad(digits):
    raw = ticker().replace('"bid": 84359.8', f'"bid": {digits}')
    assert read(raw) == frames.Bad("bid")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_price_that_is_not_finite_makes_the_frame_bad(word):
    raw = ticker().replace('"bid": 84359.8', f'"bid": {word}')
    assert read(raw) == frames.Bad("not_finite")


@pytest.mark.parametrize("field", ["symbol", "bid", "ask", "last", "volume", "low", "high"])
def test_a_missing_field_makes_the_frame_bad(field):
    row = {name: value for name, value in ROW.items() if name != field}
    assert read(ticker(row)) == frames.Bad(field)


@pytest.mark.parametrize(
    "symbol", ["", "BTC", "BTC/USD\n", "<b>/USD", "A" * 30 + "/USD", "\ud800/USD", 7]
)
def test_a_symbol_of_another_form_makes_the_frame_bad(symbol):
    assert read(ticker(symbol=symbol)) == frames.Bad("symbol")


@pytest.mark.parametrize(
    "raw",
    ["", "{", "<html>", b"\xff\xfe\x00", "[" * 60_000, '{"a":' * 9_000, '{"a":' + "9" * 5000 + "}"],
)
def test_what_is_not_json_is_bad(raw):
    assert read(raw) == frames.Bad("not_json")


def test_a_huge_frame_is_not_even_parsed():
    assert read('{"channel":"heartbeat","pad":"' + "x" * 70_000 + '"}') == frames.Bad("too_large")


def test_a_refusal_is_made_safe_to_show():
    refusal = {
        "method": "subscribe",
        "success": False,
        "symbol": "A/B",
        "error": "\x1b[2J" + "x" * 999,
    }
    answer = read(json.dumps(refusal))
    assert answer.error.startswith("?[2J")
    assert len(answer.error) == frames.LONGEST_MESSAGE


@given(JSON)
def test_no_json_makes_the_reader_raise(value):
    assert read(json.dumps(value)) is not None


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_make_the_reader_raise(raw):
    assert read(raw) is not None


@given(st.sampled_from([*ROW, "timestamp"]), ANY_VALUE)
def test_a_row_with_one_wrong_value_never_makes_the_reader_raise(field, value):
    frame = read(ticker(**{field: value}))
    assert isinstance(frame, frames.Ticks | frames.Bad)


@given(st.decimals(min_value="0.000001", max_value="999999", places=6))
def test_every_ordinary_price_comes_back_exactly(price):
    raw = ticker().replace('"bid": 84359.8', f'"bid": {price:f}')
    assert f"{only_tick(raw).bid:f}" == f"{price:f}"
