"""Which message counts: epochs, numbers, silence and what a returning client lacks."""

from __future__ import annotations

import json

import pytest

from live.board import ALL_KEYS, Board
from live.messages import TOPIC_STATE
from live.tests.conftest import alive, make_topic, say


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    return Board(make_topic(silent_after=5), clock)


def shown(board, mask=ALL_KEYS):
    return [json.loads(event.text) for event in board.events(mask)]


@pytest.mark.parametrize(("epoch", "seq"), [(1, 5), (1, 4), (0, 9)])
def test_a_late_or_repeated_message_is_dropped(board, epoch, seq):
    board.hear(say("A", "first", 5))
    assert board.hear(say("A", "late", seq, epoch=epoch)) == 0
    assert board.latest["A"].data == b'"first"'
    assert board.dropped == 1


def test_the_topics_own_state_changes_while_its_values_stand_still(board):
    board.hear(say("A", 1, 5))
    board.hear(say(TOPIC_STATE, {"state": "ok"}, 5))
    assert board.hear(say(TOPIC_STATE, {"state": "down"}, 5))
    # What stood in a snapshot may have been read before that was said.
    assert not board.load(say(TOPIC_STATE, {"state": "ok"}, 5))
    assert not board.hear(say(TOPIC_STATE, {"state": "ok"}, 4))
    assert shown(board)[0]["data"] == {"state": "down"}


def test_a_new_epoch_starts_its_numbers_again(board):
    board.hear(say("A", "old", 500, epoch=1))
    assert board.hear(say("A", "new", 1, epoch=2))
    assert board.latest["A"].data == b'"new"'


def test_a_message_of_an_old_leader_is_dropped_for_every_key(board):
    board.hear(say("A", 1, 1, epoch=2))
    assert board.hear(say("B", 1, 99, epoch=1)) == 0
    assert "B" not in board.latest


def test_a_snapshot_may_hold_values_of_an_older_epoch(board):
    board.load(say("A", 1, 1, epoch=2))
    assert board.load(say("B", 1, 99, epoch=1))
    assert set(board.latest) == {"A", "B"}


def test_every_change_moves_the_version_and_nothing_else_does(board):
    board.hear(say("A", 1, 1))
    before = board.version
    board.hear(say("A", 1, 1))
    board.hear(alive(1))
    assert board.version == before
    board.hear(say("A", 2, 2))
    assert board.version > before


def test_a_silent_publisher_has_everything_withdrawn_once(board, clock):
    board.hear(say("A", 1, 1))
    clock.now += 5.1
    assert board.check_silence()
    assert shown(board)[0] == {
        "event": "tide:live",
        "data": {"A": None},
        "meta": {"A": {"state": "stale"}},
    }
    assert board.check_silence() == 0


def test_a_sign_of_life_keeps_a_quiet_publisher_alive_and_brings_a_silent_one_back(board, clock):
    board.hear(say("A", 1, 1))
    clock.now += 4
    board.hear(alive(1))
    clock.now += 4
    assert not board.check_silence()
    clock.now += 4
    assert board.check_silence()
    assert board.hear(alive(1))
    assert shown(board)[0]["data"] == {"A": 1}


def test_a_new_leader_does_not_vouch_for_what_the_old_one_said(board, clock):
    board.hear(say("A", 1, 1, epoch=1))
    clock.now += 6
    board.check_silence()
    board.hear(say("B", 2, 1, epoch=2))
    assert shown(board)[0]["data"] == {"A": None, "B": 2}
    board.hear(say("A", 3, 2, epoch=2))
    assert shown(board)[0]["data"] == {"A": 3, "B": 2}


def test_a_snapshot_read_while_the_publisher_is_silent_stays_withdrawn(board, clock):
    board.hear(say("A", 1, 1))
    clock.now += 6
    board.check_silence()
    board.load(say("A", 2, 2))
    assert shown(board)[0]["data"] == {"A": None}
    board.hear(alive(2))
    assert shown(board)[0]["data"] == {"A": 2}


def test_a_stale_form_that_fails_withdraws_the_value_all_the_same(clock):
    def broken(message):
        raise KeyError(message.key)

    board = Board(make_topic(silent_after=5, stale_form=broken), clock)
    board.hear(say("A", 1, 1))
    clock.now += 6
    board.check_silence()
    assert shown(board)[0]["data"] == {"A": None}


def test_a_lost_message_is_noticed_by_the_next_sign_of_life_and_reported_once(board):
    board.hear(say("A", 1, 1))
    board.hear(alive(1))
    assert not board.has_gap()
    board.hear(alive(4))
    assert board.has_gap()
    assert not board.has_gap()


def test_resuming_brings_only_what_is_newer(board):
    board.hear(say("A", 1, 7))
    board.hear(say("B", 2, 9))
    owed = board.newer_than(ALL_KEYS, 1, {"A": 7, "B": 8})
    assert shown(board, owed)[0]["data"] == {"B": 2}
    assert board.newer_than(ALL_KEYS, 0, {"A": 7, "B": 9}) == board.everything


def test_resuming_brings_withdrawn_values_whatever_their_number(board, clock):
    board.hear(say("A", 1, 7))
    clock.now += 6
    board.check_silence()
    assert board.newer_than(ALL_KEYS, 1, {"A": 7})


def test_clients_cannot_make_the_board_grow(board):
    board.mask_of(frozenset({"X", "Y"}))
    assert list(board.bits) == ["*"]
