"""What browsers hear of chains and balances, and who may."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from balances import routing
from balances.models import Chain
from balances.services import publishing, snapshots
from balances.tests import ledger
from foundation.evm.blocks import BlockData, TxData
from live import topics
from live.board import STATE_BIT, Board

pytestmark = pytest.mark.django_db

ONE = f"balances:{ledger.text(1)}"


def told(name: str) -> dict[str, Any]:
    """Key to ``(message, data, meta)`` of the topic's first values."""
    family, _, rest = name.partition(":")
    read = {"chain": lambda: snapshots.of_chain(int(rest))}
    read["balances"] = lambda: snapshots.of_address(bytes.fromhex(rest[2:]))
    return {m.key: (m, json.loads(m.data), json.loads(m.meta)) for m in read[family]()}


# --- Names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "chain:",
        "chain:0",
        "chain:01",
        "chain:-1",
        "chain:x",
        "chain:" + "9" * 40,
        "chain:٣",
        "balances:",
        "balances:0x12",
        "balances:0x" + "A" * 40,
        "balances:" + "0" * 40,
        "balances:0x" + "0" * 41,
        "balances:0x" + "g" * 40,
    ],
)
def test_a_name_that_cannot_be_is_no_topic(name):
    assert topics.make(name) is None


def test_each_topic_has_one_name_which_is_its_channel():
    for name in ("chain:1", ONE):
        topic = topics.make(name)
        assert topic is not None
        assert (topic.name, topic.channel) == (name, name)


def test_chains_are_public_and_balances_are_for_who_is_signed_in():
    chain, address = topics.make("chain:1"), topics.make(ONE)
    assert chain is not None
    assert address is not None
    assert (chain.public, address.public) == (True, False)
    ann = User.objects.create_user("ann")
    assert address.may_subscribe(ann, ONE)
    assert not address.may_subscribe(AnonymousUser(), ONE)
    ann.is_active = False
    assert not address.may_subscribe(ann, ONE)


@pytest.mark.django_db(transaction=True)
def test_a_topic_reads_its_first_values_from_the_tables():
    ledger.make_chain(head=5)
    ledger.hold(ledger.make_address(), ledger.native(Chain.objects.get()), 7)
    for name, keys in (("chain:31337", ["*", "head"]), (ONE, ["31337:native"])):
        topic = topics.make(name)
        assert topic is not None
        assert callable(topic.snapshot)
        assert [message.key for message in async_to_sync(topic.snapshot)()] == keys


# --- First values -------------------------------------------------------------------------------


def test_a_chain_begins_with_its_newest_block_and_its_newest_transactions():
    chain = ledger.make_chain(head=5, epoch=3)
    for _ in range(30):
        ledger.make_tx(chain, 5, 1, 2, value=7)
    ledger.make_tx(chain, 4, 1, 2, value=7)
    message, data, _ = told(f"chain:{chain.pk}")["head"]
    assert (message.epoch, message.seq, data["number"]) == (3, 5, 5)
    assert [tx["idx"] for tx in data["txs"]] == list(range(29, 4, -1))
    assert {tx["ok"] for tx in data["txs"]} == {True}


def test_what_is_stored_has_the_shape_of_what_is_pushed(django_capture_on_commit_callbacks):
    chain = ledger.make_chain(head=5)
    row = ledger.make_tx(chain, 5, 1, 2, value=7)
    _, stored, meta = told(f"chain:{chain.pk}")["head"]
    pushed = []
    tx = TxData(
        idx=0,
        hash=bytes(row.hash),
        sender=ledger.raw(1),
        recipient=ledger.raw(2),
        value=7,
        nonce=0,
        fee=None,
        ok=True,
    )
    block = BlockData(
        number=5,
        hash=ledger.block_hash(chain.pk, 5),
        parent_hash=ledger.block_hash(chain.pk, 4),
        ts=int(ledger.at(5).timestamp()),
        gas_used=21_000,
        gas_limit=0,
        base_fee=None,
        miner=bytes(20),
        txs=[tx],
        transfers=[],
        withdrawals=[],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "_tell_chain", lambda pk, message: pushed.append(message))
        with django_capture_on_commit_callbacks(execute=True):
            publishing.publish_block(chain, block)
    (message,) = pushed
    assert json.loads(message.data) == {**stored, "tx_count": 1}
    assert json.loads(message.meta) == meta
    assert message.key == "head"


def test_a_chain_says_how_its_follower_fares():
    ledger.make_chain(head=5, state=Chain.State.HALTED, state_reason="another chain answers")
    _, data, _ = told("chain:31337")["*"]
    assert data == {"state": "halted", "reason": "another chain answers", "number": 5}


def test_of_a_chain_that_is_not_followed_nothing_is_told():
    assert told("chain:99") == {}
    ledger.make_chain(2, head=1, enabled=False)
    assert told("chain:2") == {}


def test_an_address_begins_with_what_it_holds_by_chain_and_token():
    chain, other = ledger.make_chain(head=5), ledger.make_chain(1, head=5)
    address, token = ledger.make_address(), ledger.make_token(chain, 0xC0)
    ledger.hold(address, ledger.native(chain), 2**255)
    ledger.hold(address, token, None)
    ledger.hold(address, ledger.native(other), 0)
    ledger.hold(ledger.make_address(2), token, 9)
    found = told(ONE)
    contract = f"31337:0x{0xC0:040x}"
    assert {key: data["value"] for key, (_, data, _) in found.items()} == {
        "31337:native": str(2**255),
        contract: None,
        "1:native": "0",
    }
    assert found["31337:native"][0].seq == address.balances.get(value=2**255).version


def test_of_an_address_that_nobody_knows_nothing_is_told():
    assert told(f"balances:{ledger.text(9)}") == {}


def test_the_last_words_of_a_follower_that_is_silent_are_marked_as_such():
    chain = ledger.make_chain(head=5)
    (state, head) = snapshots.of_chain(chain.pk)
    data, meta = routing.stale_form(head)
    assert data == head.data
    assert json.loads(meta)["state"] == "stale"
    assert json.loads(routing.stale_form(state)[0])["state"] == "stale"


def board_of(chain):
    topic = topics.make(f"chain:{chain.pk}")
    assert topic is not None
    now = [0.0]
    board = Board(topic, lambda: now[0])
    for message in snapshots.of_chain(chain.pk):
        board.load(message)
    return board, now


def state_shown(board):
    return json.loads(board.events(STATE_BIT)[0].text)["data"]["state"]


def test_a_chain_that_was_well_is_not_so_any_more_once_nobody_is_heard():
    board, now = board_of(ledger.make_chain(head=5))
    assert state_shown(board) == "live"
    now[0] += 5.1
    assert board.check_silence()
    assert state_shown(board) == "stale"


@pytest.mark.django_db(transaction=True)
def test_a_follower_that_lost_its_node_says_so_though_no_block_came(monkeypatch):
    chain = ledger.make_chain(head=5)
    board, now = board_of(chain)
    monkeypatch.setattr(publishing, "_tell_chain", lambda pk, message: board.hear(message))
    chain.state, chain.state_reason = Chain.State.DOWN, "no endpoint answers"
    publishing.publish_state(chain)
    assert state_shown(board) == "down"
    # It falls silent then, and its last words are still why.
    now[0] += 5.1
    board.check_silence()
    assert state_shown(board) == "down"
    chain.state, chain.state_reason = Chain.State.OK, ""
    publishing.publish_state(chain)
    assert state_shown(board) == "live"


def test_reading_the_first_values_costs_two_queries_or_three(django_assert_max_num_queries):
    chain = ledger.make_chain(head=5)
    for number in range(10):
        ledger.hold(ledger.make_address(), ledger.make_token(chain, 0xC0 + number), number)
    with django_assert_max_num_queries(3):
        list(snapshots.of_chain(chain.pk))
    with django_assert_max_num_queries(1):
        list(snapshots.of_address(ledger.raw(1)))


def test_somebody_without_an_account_row_is_not_asked_of_the_database():
    nobody = SimpleNamespace(is_authenticated=False, is_active=False)
    assert not routing.may_hear_balances(nobody, ONE)
