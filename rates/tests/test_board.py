"""The board as read from Valkey: order, digits, and what silence does to it."""

import json
from decimal import Decimal as D

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from foundation import valkey
from live.messages import decode
from live.topics import registered
from rates.services import board
from rates.tests.quotes import message, publish, state_message


def test_entries_come_in_the_boards_order_and_the_topics_state_is_no_pair():
    publish(
        message("ADA_USD", position=2), message("XRP_USD", position=1), message(), state_message()
    )
    assert list(board.read().entries) == ["BTC_USD", "XRP_USD", "ADA_USD"]


def test_numbers_keep_the_digits_they_were_published_with():
    publish(message())
    entry = board.read().entries["BTC_USD"]
    assert str(entry.data["withSpread"]["buy"]) == "84781.70"
    assert entry.data["currentSpread"]["sell"] == D("-421.80")


def test_only_the_pairs_asked_for_are_read():
    publish(message(), message("ETH_USD", position=1))
    assert list(board.read(["ETH_USD", "NO_SUCH"]).entries) == ["ETH_USD"]


def test_a_feed_that_lives_leaves_the_quotes_as_they_are():
    publish(message(seq=4), message("ETH_USD", seq=9))
    found = board.read()
    assert (found.state, found.reason, found.epoch, found.seq) == ("live", None, 5, 9)
    assert found.age_ms is not None
    assert found.age_ms < 5000


def test_a_frozen_exchange_is_told_with_its_reason():
    publish(message(state="stale", reason="silent"), state="stale", reason="silent")
    assert (board.read().state, board.read().reason) == ("stale", "silent")


def test_a_feed_silent_for_more_than_five_seconds_withdraws_every_quote():
    publish(message(), message("ETH_USD"), age=5.5)
    found = board.read()
    assert (found.state, found.reason) == ("stale", "feed_silent")
    for entry in found.entries.values():
        assert (entry.data["withSpread"], entry.meta["state"]) == (None, "stale")
        assert entry.data["original"] == {"buy": D("84359.90"), "sell": D("84359.80")}


def test_a_feed_that_never_spoke_has_no_age():
    found = board.read()
    assert (found.state, found.reason, found.age_ms, found.entries) == (
        "stale",
        "feed_silent",
        None,
        {},
    )


def test_a_valkey_that_is_down_gives_a_stale_board_and_no_error(monkeypatch):
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(valkey, "client", lambda: nobody)
    assert (board.read().state, board.read().reason) == ("stale", "valkey_down")


def test_a_quote_that_cannot_be_read_does_not_hide_the_others():
    publish(message())
    valkey.client().hset("rates:q:public", "BAD", b"\xff garbage")
    assert list(board.read().entries) == ["BTC_USD"]


def test_the_stale_form_keeps_every_digit_of_what_it_does_not_withdraw():
    data, meta = board.stale_form(message())
    assert data == (
        b'{"original":{"buy":84359.90,"sell":84359.80},"withSpread":null,'
        b'"currentSpread":{"buy":421.80,"sell":-421.80}}'
    )
    assert (json.loads(meta)["state"], json.loads(meta)["reason"]) == ("stale", "feed_silent")


def test_the_stale_form_of_a_pair_without_prices_is_what_it_was():
    none = b'{"buy":null,"sell":null}'
    bare = b'{"original":%s,"withSpread":null,"currentSpread":%s}' % (none, none)
    assert board.stale_form(message()._replace(data=bare))[0] == bare


def test_the_stale_form_keeps_a_side_that_is_zero():
    zero = message().data.replace(b"421.80,", b"0.00,")
    assert b'"currentSpread":{"buy":0.00,' in board.stale_form(message()._replace(data=zero))[0]


def test_the_stale_form_of_the_topic_says_that_the_feed_is_silent():
    data, _ = board.stale_form(state_message())
    assert json.loads(data) == {"state": "stale", "reason": "feed_silent", "since": 1}


def test_a_body_is_the_bytes_that_were_published():
    publish(message(), message("ETH_USD", position=1))
    body = board.render(board.read(), ["ETH_USD", "BTC_USD"])
    assert message().data in body
    assert list(json.loads(body)["data"]) == ["ETH_USD", "BTC_USD"]
    assert json.loads(body)["meta"]["BTC_USD"]["spread_version"] == 17


def test_the_topic_of_the_live_pushes_is_registered_with_this_stale_form():
    topic = registered()["rates:live"]
    assert (topic.snapshot, topic.channel) == ("rates:q:public", "rates:live:public")
    assert topic.stale_form is board.stale_form


@pytest.mark.parametrize("raw", [message().encode(), state_message().encode()])
def test_the_test_messages_are_what_the_hub_reads(raw):
    assert decode(raw).encode() == raw
