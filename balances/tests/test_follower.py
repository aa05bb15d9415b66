"""The follower in bad weather: a node that is cut off, lies, goes back, or says nothing."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from balances.constants import alive_key
from balances.models import (
    BackfillJob,
    Balance,
    BalancePoint,
    Block,
    Chain,
    Coverage,
    RpcEndpoint,
)
from balances.services import backfill, blocks, chain_state, publishing, seeding, snapshots
from balances.services.catching_up import CatchUp, Halted
from balances.services.follower import Follower, Pace
from balances.sources import sync_chains
from balances.tests.following import (
    Town,
    configured,
    eventually,
    orphans,
    written,
    wrong_balances,
    wrong_history,
)
from foundation import valkey
from foundation.tests.fake_node import FakeNode, passing_to, saying
from live.messages import ALIVE, decode

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = Pace(poll=0.05, patience=0.2)


@contextmanager
def following(chains, pace=QUICK):
    """A follower in a thread of its own; yields it and what it raised."""
    sync_chains(chains)
    follower = Follower(chains[0]["id"], pace=pace)
    raised = []

    def run():
        try:
            follower.run()
        except Halted as problem:
            raised.append(problem)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        follower.stop()
        thread.join(20)
        assert not thread.is_alive()


def state():
    return Chain.objects.get().state


def at_head(town):
    chain = Chain.objects.get()
    if chain.head_hash is None:
        return False
    return (chain.head_number, written(bytes(chain.head_hash))) == town.head()


@pytest.fixture
def town(anvil):
    return Town(anvil, 3)


def test_a_node_that_was_away_is_caught_up_with_without_a_gap(anvil, town, monkeypatch):
    monkeypatch.setattr("balances.services.announcements.PATIENCE", 0.5)
    monkeypatch.setattr("foundation.evm.nodes.LAST_RESORT", 0.1)
    with (
        FakeNode(passing_to(anvil.url)) as node,
        following(configured(anvil, rpc=[node.url], ws="")),
    ):
        eventually(lambda: state() == "ok" and at_head(town))
        before = Chain.objects.get().head_number or 0
        node.respond = saying(b"bad gateway", 502)
        town.pay(30)
        eventually(lambda: state() == "down", "down")
        # What was known is still there, with its age.
        assert Chain.objects.get().head_number == before
        node.respond = passing_to(anvil.url)
        eventually(lambda: state() == "ok" and at_head(town), "up again")
    numbers = list(Block.objects.order_by("number").values_list("number", flat=True))
    # A node that is busy puts two payments into one block.
    assert numbers == list(range(before, town.head()[0] + 1))
    assert len(numbers) > 15


@pytest.mark.parametrize(
    "garbage", [b"<html>maintenance</html>", b"{}", b"[]", b'{"jsonrpc":"2.0","id":0,"result":7}']
)
def test_a_node_that_says_nonsense_changes_nothing(anvil, town, garbage, monkeypatch):
    monkeypatch.setattr("foundation.evm.nodes.LAST_RESORT", 0.1)
    with (
        FakeNode(passing_to(anvil.url)) as node,
        following(configured(anvil, rpc=[node.url], ws="")),
    ):
        eventually(lambda: state() == "ok" and at_head(town))
        town.pay(1)
        node.respond = saying(garbage)
        asked = len(node.questions)
        eventually(lambda: len(node.questions) > asked + 2, "asked again")
        node.respond = passing_to(anvil.url)
        eventually(lambda: at_head(town), "up again")
    assert orphans(town) == []


def test_a_head_that_went_back_without_a_word_is_noticed(anvil, town):
    with following(configured(anvil)):
        town.pay(4)
        eventually(lambda: at_head(town))
        # A follower that began above the fork could only begin anew.
        eventually(lambda: Block.objects.count() > 0)
        town.pay(4)
        eventually(lambda: at_head(town))
        anvil.ask("anvil_rollback", 3)
        eventually(lambda: at_head(town), "back")
        town.pay(1)
        eventually(lambda: at_head(town), "forward")
    assert Chain.objects.get().reorgs.get().depth == 3
    assert orphans(town) == []


def test_announced_heads_are_applied_though_nobody_polls(anvil, town):
    with following(configured(anvil), Pace(poll=600, patience=5)):
        eventually(lambda: at_head(town), "first")
        # The subscription stands once something was heard by it.
        eventually(lambda: town.pay(1) or at_head(town), "announced")


def test_without_a_websocket_the_poll_alone_keeps_up(anvil, town):
    with following(configured(anvil, ws="")):
        town.pay(3)
        eventually(lambda: at_head(town) and state() == "ok")


def test_a_websocket_that_answers_nothing_stops_nobody(anvil, town):
    with following(configured(anvil, ws="ws://127.0.0.1:1")):
        town.pay(3)
        eventually(lambda: at_head(town) and state() == "ok")


def test_a_block_that_the_database_refuses_waits_under_an_alarm_and_is_not_skipped(
    anvil, town, monkeypatch
):
    insert = blocks.insert
    refusing = threading.Event()
    tries = []

    def refused(chain, block, *args, **options):
        if refusing.is_set():
            tries.append(block.number)
            block = replace(block, gas_used=2**70)
        insert(chain, block, *args, **options)

    monkeypatch.setattr(blocks, "insert", refused)
    with following(configured(anvil)) as raised:
        town.pay(1)
        eventually(lambda: state() == "ok" and at_head(town))
        before = town.head()[0]
        refusing.set()
        town.pay(3)
        eventually(lambda: len(tries) > 1 and state() == "lagging", "refused")
        assert "refuses" in Chain.objects.get().state_reason
        # Pages have what they had, and the others wait behind it.
        assert Chain.objects.get().head_number == before
        assert set(tries) == {before + 1}
        refusing.clear()
        eventually(lambda: state() == "ok" and at_head(town), "taken")
        assert not raised
    assert orphans(town) == []


def test_what_is_in_doubt_is_read_again_a_question_at_a_time_without_a_pause(
    anvil, town, monkeypatch
):
    monkeypatch.setattr(seeding, "PER_PASS", 2)
    looks = []
    advance = CatchUp.advance

    def look(self, announced=None):
        looks.append(Balance.objects.filter(stale=True).count())
        return advance(self, announced)

    sync_chains(configured(anvil))
    seeding.watch_addresses(town.people)
    with following(configured(anvil), Pace(poll=600, patience=5)):
        eventually(lambda: at_head(town), "first")
        backfill.run_due(10, kinds=["seed"])
        known = Balance.objects.count()
        assert known > 4
        monkeypatch.setattr(CatchUp, "advance", look)
        Balance.objects.update(stale=True)
        eventually(lambda: town.pay(1) or looks, "announced")
        eventually(lambda: not Balance.objects.filter(stale=True).exists(), "read again")
        # Nobody announced each question, and the head was looked at before each.
        assert len(looks) >= known // 2 - 2
        eventually(lambda: at_head(town), "followed meanwhile")


def test_a_chain_that_is_switched_off_and_on_reads_who_came_meanwhile_and_claims_no_more(
    anvil, town
):
    newcomer = town.people[0]
    with following(configured(anvil)) as raised:
        eventually(lambda: state() == "ok" and at_head(town))
        Chain.objects.update(enabled=False)
        before = town.head()[0]
        seeding.watch_addresses([newcomer])
        eventually(lambda: town.pay(1) or town.head()[0] > before + 2)
        assert not BackfillJob.objects.filter(kind="seed").exists()
        Chain.objects.update(enabled=True)
        eventually(lambda: BackfillJob.objects.filter(kind="seed").exists(), "asked for")
        on = town.head()[0]
        eventually(lambda: at_head(town), "caught up")
        backfill.run_due(10, kinds=["seed"])
        town.pay(2)
        eventually(lambda: at_head(town), "followed")
        assert not raised
    coin = Coverage.objects.filter(address__raw=newcomer, token__contract=b"")
    # What it held while nobody followed it is told only where a block itself moved it.
    for begin in coin.values_list("from_block", flat=True):
        assert begin >= on or BalancePoint.objects.filter(block_number=begin).exists()
    assert wrong_history(town, 50) == []
    assert wrong_balances(town) == []


def test_that_no_block_comes_is_told_as_pages_and_the_api_tell_it(anvil, town, monkeypatch, client):
    monkeypatch.setattr(chain_state, "LEAST_PATIENCE", timedelta(seconds=0.5))
    told = []

    def tell(chain):
        told.append(chain_state.state_of(chain, timezone.now()))

    monkeypatch.setattr(publishing, "publish_state", tell)
    with following(configured(anvil, block_time_ms=100), Pace(poll=600, patience=5)):
        eventually(lambda: told and told[-1].name == "live", "live")
        eventually(lambda: told[-1].reason == "no_new_block", "late")
        # The first sign of life takes a second.
        eventually(lambda: valkey.client().exists(alive_key(1)), "heard")
        page = client.get("/chain/").content.decode()
        (row,) = client.get("/api/v1/chains").json()["chains"]
        (said, _) = snapshots.of_chain(1)
        assert 'data-state="stale"' in page
        assert (row["state"], row["reason"]) == ("stale", "no_new_block")
        assert json.loads(said.data)["reason"] == "no_new_block"
        eventually(lambda: town.pay(1) or told[-1].name == "live", "live again")


def test_a_chain_made_anew_under_the_same_id_halts_the_follower(anvil, town):
    sync_chains(configured(anvil))
    Chain.objects.update(genesis_hash=bytes(32))
    with following(configured(anvil)) as raised:
        eventually(lambda: raised, "halted")
    assert (state(), Block.objects.count()) == ("halted", 0)
    assert "genesis" in Chain.objects.get().state_reason


def test_a_sign_of_life_is_told_while_the_node_answers(anvil, town):
    with valkey.client().pubsub() as heard, following(configured(anvil)):
        heard.subscribe("chain:1")

        def alive():
            message = heard.get_message(ignore_subscribe_messages=True, timeout=0.1)
            return message and decode(message["data"]).flag == ALIVE

        eventually(alive, "alive")


def test_a_block_is_told_with_its_transactions(anvil, town):
    with valkey.client().pubsub() as heard, following(configured(anvil)):
        heard.subscribe("chain:1")
        eventually(lambda: at_head(town))
        town.pay(1)

        def told():
            message = heard.get_message(ignore_subscribe_messages=True, timeout=0.1)
            if not message:
                return None
            found = decode(message["data"])
            return found if found.key == "head" and b'"tx_count":1' in found.data else None

        message = eventually(told, "told")
    assert message.seq == town.head()[0]


def test_endpoints_that_were_changed_are_used_without_a_new_start(anvil, town):
    with (
        FakeNode(passing_to(anvil.url)) as other,
        following(configured(anvil, ws="")),
    ):
        eventually(lambda: state() == "ok" and at_head(town))
        assert not other.questions
        RpcEndpoint.objects.update(url_http=other.url)
        eventually(lambda: other.questions, "asked")
        town.pay(1)
        eventually(lambda: state() == "ok" and at_head(town))
