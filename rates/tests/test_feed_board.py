"""How markets, spreads and halts become the state of a pair."""

from decimal import Decimal as D

import pytest

from rates.feeds.source import ConnectionChanged, SymbolAccepted, SymbolRefused, VenueStatus
from rates.services.feed.board import Board
from rates.services.feed.table import Table
from rates.tests.test_market import tick


def resolved(version=1, halted=None, rules=None, **pair):
    rule = {"unit": "bps", "buy": "50", "sell": "-50", "min_bps": "0", "max_bps": "500"}
    return {
        "version": version,
        "pairs": {
            "BTC_USD": {
                "symbol": "BTC/USD",
                "tick": "0.1",
                "decimals": 1,
                "max_age_quiet": 600,
                "max_jump_bps": "100",
                "halted": halted,
                "rules": [rule | {"version": version, "from": 0, "to": None}]
                if rules is None
                else rules,
                **pair,
            }
        },
    }


@pytest.fixture
def board():
    board = Board()
    board.load(Table.parse(resolved()))
    board.apply(ConnectionChanged(True, "open"))
    board.apply(tick("100", "101"))
    return board


def state(board, now=1.0, wall_ms=1000):
    verdict = board.verdict("BTC_USD", now, wall_ms)
    return verdict.state, verdict.reason


def test_a_sound_price_on_a_live_connection_is_live(board):
    assert state(board) == ("live", None)


def test_a_lost_connection_makes_every_pair_stale(board):
    assert board.apply(ConnectionChanged(False, "silent")) == {"BTC_USD"}
    assert state(board) == ("stale", "silent")


@pytest.mark.parametrize("system", ["maintenance", "cancel_only", "post_only"])
def test_a_venue_that_is_not_online_makes_every_pair_stale(board, system):
    assert board.apply(VenueStatus(system)) == {"BTC_USD"}
    assert state(board) == ("stale", f"venue_{system}")


def test_a_quiet_pair_stays_live_until_its_own_limit(board):
    assert state(board, now=600.0) == ("live", None)
    assert state(board, now=601.0) == ("stale", "quiet")
    assert [pair.code for pair in board.quiet(601.0)] == ["BTC_USD"]


def test_time_alone_is_noticed(board):
    state(board)
    assert board.aged(2.0, 2000) == set()
    assert board.aged(700.0, 2000) == {"BTC_USD"}


def test_a_refused_symbol_is_unsupported_until_it_is_accepted(board):
    board.apply(SymbolRefused("BTC/USD", "Currency pair not supported"))
    assert state(board)[0] == "unsupported"
    board.apply(SymbolAccepted("BTC/USD"))
    assert state(board)[0] == "live"


def test_a_halt_withdraws_the_price_and_gives_the_reason(board):
    board.load(Table.parse(resolved(2, halted={"reason": "audit", "at": 1})))
    assert state(board) == ("halted", "audit")


def test_an_older_table_is_ignored(board):
    assert board.load(Table.parse(resolved(0, halted={"reason": "old", "at": 1}))) == set()
    assert state(board) == ("live", None)


def test_without_any_spread_nothing_is_quoted(board):
    board.load(Table.parse(resolved(2, rules=[])))
    assert state(board) == ("halted", "no_spread")


def test_a_crossed_market_is_suspect_and_keeps_the_last_price_for_display(board):
    board.apply(tick("103", "101"))
    verdict = board.verdict("BTC_USD", 1.0, 1000)
    assert (verdict.state, verdict.reason) == ("suspect", "crossed")
    assert verdict.quote.original_buy == D("101")


def test_a_crossed_result_is_suspect(board):
    rule = {"unit": "absolute", "buy": "-2", "sell": "2", "min_bps": "-500", "max_bps": "500"}
    board.load(Table.parse(resolved(2, rules=[rule | {"version": 2, "from": 0, "to": None}])))
    assert state(board) == ("suspect", "result_crossed")


def test_a_scheduled_spread_takes_over_at_its_moment(board):
    rule = {"unit": "bps", "sell": "-50", "min_bps": "0", "max_bps": "500"}
    rules = [
        rule | {"buy": "50", "version": 1, "from": 0, "to": 5000},
        rule | {"buy": "100", "version": 2, "from": 5000, "to": None},
    ]
    board.load(Table.parse(resolved(2, rules=rules)))
    assert board.table.next_change(1000) == 5000
    assert board.verdict("BTC_USD", 1.0, 4999).spread.version == 1
    assert board.verdict("BTC_USD", 1.0, 5000).spread.version == 2


def test_before_the_first_tick_a_pair_has_no_data():
    board = Board()
    board.load(Table.parse(resolved()))
    board.apply(ConnectionChanged(True, "open"))
    assert state(board) == ("stale", "no_data")
