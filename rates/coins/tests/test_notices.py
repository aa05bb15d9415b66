"""``coins:changed``: what is told under each key."""

import pytest
from redis.exceptions import ConnectionError as NoValkey

from foundation import valkey
from live import publishing
from rates.coins import constants as c
from rates.coins.services import refresh
from rates.coins.tests.market import Clock, listing, put, put_rows, told

pytestmark = pytest.mark.django_db


def test_a_swap_of_ranks_is_told_to_who_wants_ranks_and_to_who_wants_everything():
    put("A", "B")
    valkey.client().delete(c.KEY_NOTICES)
    after = put("B", "A")
    notices = told()
    assert set(notices) == {"rank", "price"}
    assert notices["rank"]["hash"] == after.hash
    assert notices["rank"]["changes"] == [
        {"symbol": "B", "from": 2, "to": 1},
        {"symbol": "A", "from": 1, "to": 2},
    ]


def test_a_price_alone_leaves_those_who_want_ranks_in_peace():
    put_rows([listing("A", 1, "100"), listing("B", 2, "10")])
    valkey.client().delete(c.KEY_NOTICES)
    put_rows([listing("A", 1, "101.2"), listing("B", 2, "10")])
    notices = told()
    assert set(notices) == {"price", "price>0.5%", "price>1%"}
    assert notices["price"]["changed"] == 1
    assert notices["price"]["largest_move_pct"] == "1.2000"
    assert notices["price>1%"]["changes"] == [
        {"symbol": "A", "from": "100", "to": "101.2", "change_pct": "1.2000"}
    ]


def test_small_steps_add_up_until_a_threshold_is_passed():
    put("A", price="100")
    for price in ("100.4", "100.8"):
        valkey.client().delete(c.KEY_NOTICES)
        put("A", price=price)
        assert "price>1%" not in told()
    valkey.client().delete(c.KEY_NOTICES)
    put("A", price="101.2")
    assert told()["price>1%"]["changes"][0]["from"] == "100"
    valkey.client().delete(c.KEY_NOTICES)
    put("A", price="101.3")
    assert "price>1%" not in told()


def test_nothing_is_told_where_nothing_changed_but_age():
    put("A")
    valkey.client().delete(c.KEY_NOTICES)
    put("A")
    assert told() == {}


def test_coins_that_come_and_go_are_told_with_their_ranks():
    put("A", "B", "C", "D", "E", "F")
    valkey.client().delete(c.KEY_NOTICES)
    put("A", "B", "C", "D", "E", "G")
    changes = told()["rank"]["changes"]
    assert {"symbol": "G", "from": None, "to": 6} in changes
    assert {"symbol": "F", "from": 6, "to": None} in changes


def test_a_notice_names_fifty_coins_at_most():
    symbols = [f"S{number}" for number in range(80)]
    put(*symbols, price="1")
    put(*symbols, price="2")
    notice = told()["price"]
    assert (notice["changed"], len(notice["changes"])) == (80, 50)


def test_a_swap_at_a_source_reaches_the_push(upstream):
    clock = Clock()
    for purpose in ("price", "rank"):
        refresh.refresh(purpose, clock=clock)
    valkey.client().delete(c.KEY_NOTICES)
    upstream.coins(service="cryptocompare", swap=["BTC", "ETH"])
    clock.pass_by(60)
    refresh.refresh("rank", clock=clock)
    assert {"symbol": "ETH", "from": 2, "to": 1} in told()["rank"]["changes"]


def test_what_changed_while_valkey_was_away_is_told_once_it_is_back(monkeypatch):
    put_rows([listing("A", 1, "100"), listing("B", 2, "10")])
    tell = publishing.publish

    def away(*args):
        raise NoValkey

    monkeypatch.setattr(publishing, "publish", away)
    put_rows([listing("B", 1, "10"), listing("A", 2, "103")])
    assert told()["rank"]["changed"] == 2  # still the notice of the first list
    monkeypatch.setattr(publishing, "publish", tell)
    put_rows([listing("B", 1, "10"), listing("A", 2, "103")])
    assert {"symbol": "A", "from": 1, "to": 2} in told()["rank"]["changes"]
    assert told()["price>2%"]["changes"][0]["from"] == "100"


def test_a_valkey_that_has_forgotten_everything_is_told_the_whole_list():
    put("A", "B")
    valkey.client().flushall()
    put("A", "B")
    assert told()["rank"]["changed"] == 2
