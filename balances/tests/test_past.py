"""What was before an address was followed: the coin dated by halving, transfers that are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from balances.constants import NATIVE
from balances.models import Address, BackfillJob, BalancePoint, Block, ChainSpan, Coverage
from balances.services import activity, backfill, coin_past, history, lookback, seeding
from balances.services.catching_up import CatchUp, HeadMoved
from balances.services.holdings import State
from balances.sources import nodes_for, sync_chains
from balances.tests.following import Town, configured, written
from foundation.tests.fake_node import FakeNode, passing_to

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def town(anvil):
    return Town(anvil, 3)


@pytest.fixture
def chain(anvil):
    (chain,) = sync_chains(configured(anvil))
    chain.endpoints.update(archive_from=0, last_ok_at=timezone.now())
    return chain


@pytest.fixture
def catch_up(chain):
    nodes = nodes_for(chain)
    yield CatchUp(chain.pk, nodes, 32, patience=0)
    nodes.close()


def do_all(rounds=30):
    """Every job until none is left."""
    for _ in range(rounds):
        BackfillJob.objects.update(leased_until=None)
        if not backfill.run_due(50, kinds=["seed", "read", "history", "blocks"]):
            return
    raise AssertionError("never done")


def follow(town, catch_up, *people):
    catch_up.advance()
    seeding.watch_addresses([town.people[person] for person in people])
    return town.head()[0]


def address_of(town, person=0):
    return Address.objects.get(raw=town.people[person])


def coin_runs(**facts):
    rows = Coverage.objects.filter(token__contract=NATIVE, **facts).order_by("from_block")
    return list(rows.values_list("from_block", "to_block", "complete"))


def test_the_coin_of_the_past_is_dated_on_a_node_with_old_states(town, chain, catch_up):
    town.pay(40)
    since = follow(town, catch_up, 0, 1, 2)
    do_all()
    assert set(BackfillJob.objects.values_list("state", flat=True)) == {"done"}
    assert set(coin_runs()) == {(0, since - 1, False), (since, None, False)}
    for person, who in enumerate(town.people):
        for number in range(since + 1):
            (coin,) = (
                held
                for held in history.balances_at(address_of(town, person), block=number)
                if held.token.is_native
            )
            assert coin.value == town.truth(who, NATIVE, number)
            # Contracts might have moved it there and back unseen.
            assert coin.state in (State.SAMPLED, State.EXACT)
    kinds = BalancePoint.objects.filter(token__contract=NATIVE, block_number__lt=since)
    assert set(kinds.values_list("kind", "source")) == {("sampled", "archive")}


def test_what_moved_the_coin_then_is_among_the_transfers_with_its_time(town, chain, catch_up):
    town.pay(30)
    since = follow(town, catch_up, 0)
    do_all()
    who = town.people[0]
    blocks = [town.anvil.ask("eth_getBlockByNumber", hex(n), True) for n in range(since)]
    sent = {
        (int(block["number"], 16), tx["hash"], int(block["timestamp"], 16))
        for block in blocks
        for tx in block["transactions"]
        if written(who) in (tx["from"], tx["to"]) and int(tx["value"], 16)
    }
    moves = activity.transfers(address_of(town), chain, limit=200).rows
    coin = [move for move in moves if move.is_native and move.block_number < since]
    assert {(m.block_number, written(m.tx_hash), int(m.at.timestamp())) for m in coin} == sent
    assert all(move.ok for move in coin)


def test_transfers_of_tokens_from_before_are_listed_and_their_blocks_are_not(town, chain, catch_up):
    town.pay(30)
    since = follow(town, catch_up, 0)
    do_all()
    topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    logs = town.anvil.ask(
        "eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(since - 1), "topics": [topic]}
    )
    person = "0x" + "0" * 24 + town.people[0].hex()
    real = {
        (int(x["blockNumber"], 16), x["transactionHash"]) for x in logs if person in x["topics"]
    }
    moves = activity.transfers(address_of(town), chain, limit=200).rows
    told = {(m.block_number, written(m.tx_hash)) for m in moves if not m.is_native}
    assert real
    assert told == real
    assert Block.objects.filter(number__lt=since).exists()
    assert [block.number for block in activity.blocks(chain).rows] == [since]
    shown = activity.transactions(chain).rows
    assert {tx.block_number for tx in shown} <= {since}
    # Again, as after a kill in the middle.
    BackfillJob.objects.filter(kind="history").update(state="waiting", cursor=None)
    do_all()
    assert len(activity.transfers(address_of(town), chain, limit=200).rows) == len(moves)


def test_a_hole_that_is_filled_takes_the_place_of_what_was_kept(town, chain, catch_up, monkeypatch):
    monkeypatch.setattr("balances.services.catching_up.DEEP_GAP", 5)
    catch_up.advance()
    begun = town.head()[0]
    town.pay(12)
    since = follow(town, catch_up, 0)
    BackfillJob.objects.filter(kind="blocks").update(priority=99)
    do_all()
    spans = list(ChainSpan.objects.values_list("from_block", "to_block"))
    assert spans == [(begun, since)]
    numbers = list(Block.objects.filter(number__gte=begun).values_list("number", flat=True))
    assert sorted(numbers) == list(range(begun, since + 1))
    assert catch_up.advance().number == since


def test_dating_costs_few_questions_however_long_the_chain(anvil, town, chain, catch_up):
    town.anvil.ask("anvil_mine", hex(300))
    town.pay_in_one_block(20)
    town.anvil.ask("anvil_mine", hex(300))
    follow(town, catch_up, 0)
    backfill.run_due(1, kinds=["seed"])
    BackfillJob.objects.filter(kind="history", token=None).delete()
    with FakeNode(passing_to(anvil.url)) as node:
        chain.endpoints.update(url_http=node.url)
        do_all()
    assert coin_runs()[0][0] == 0
    # Both changes: four rounds each, and the blocks that they are in.
    assert len(node.questions) < 40


def test_a_busy_address_is_dated_as_far_as_the_budget_goes_and_older_is_not_known(
    town, chain, catch_up, monkeypatch
):
    monkeypatch.setattr(coin_past, "MOST_CHANGES", 2)
    town.pay(40)
    since = follow(town, catch_up, 0)
    do_all()
    ((first, last, complete), _) = coin_runs()
    assert 3 < first < last == since - 1
    assert not complete
    (coin,) = (h for h in history.balances_at(address_of(town), block=2) if h.token.is_native)
    assert (coin.value, coin.state) == (None, State.LOADING)


def test_without_old_states_nothing_is_dated_and_unprobed_nodes_are_waited_for(
    town, chain, catch_up
):
    town.pay(5)
    since = follow(town, catch_up, 0)
    chain.endpoints.update(archive_from=None, last_ok_at=None)
    backfill.run_due(1, kinds=["seed"])
    backfill.run_due(5, kinds=["history"])
    job = BackfillJob.objects.get(kind="history", token__contract=NATIVE)
    assert (job.state, job.error) == ("waiting", "unavailable")
    chain.endpoints.update(last_ok_at=timezone.now())
    do_all()
    job.refresh_from_db()
    assert job.state == "done"
    assert coin_runs() == [(since, None, False)]


def test_a_coin_whose_first_reading_was_taken_back_is_not_dated_from_it(town, chain, catch_up):
    town.pay(20)
    since = follow(town, catch_up, 0)
    backfill.run_due(1, kinds=["seed"])
    town.reorganise(3)
    with pytest.raises(HeadMoved):
        catch_up.advance()
    catch_up.advance()
    do_all()
    orphaned = [
        (point.block_number, bytes(point.block_hash))
        for point in BalancePoint.objects.all()
        if written(bytes(point.block_hash))
        != town.anvil.ask("eth_getBlockByNumber", hex(point.block_number), False)["hash"]
    ]
    assert orphaned == []
    assert coin_runs(from_block__gte=since)


def test_looking_back_ends_where_the_address_began(anvil, town, chain, catch_up, monkeypatch):
    monkeypatch.setattr(lookback, "WINDOW", 20)
    town.anvil.ask("anvil_mine", hex(300))
    stranger = b"\x77" * 20
    value = {"from": town.rich, "to": written(stranger), "value": hex(10**15)}
    town.anvil.send(value)
    town.pay(3)
    catch_up.advance()
    seeding.watch_addresses([stranger])
    with FakeNode(passing_to(anvil.url)) as node:
        chain.endpoints.update(url_http=node.url)
        do_all()
    assert node.methods.count("eth_getLogs") <= 8
    assert set(BackfillJob.objects.values_list("state", flat=True)) == {"done"}


def test_looking_back_ends_at_what_is_kept(anvil, town, chain, catch_up, monkeypatch):
    monkeypatch.setattr(lookback, "HISTORY_KEPT", timedelta(seconds=50))
    town.anvil.ask("anvil_mine", hex(300))
    town.pay(3)
    since = follow(town, catch_up, 0)
    do_all()
    # A block takes half a second here.
    job = BackfillJob.objects.get(kind="history", token=None)
    assert (job.from_block, job.state) == (since - 100, "done")
    tokens = Coverage.objects.exclude(token__contract=NATIVE)
    runs = set(tokens.values_list("from_block", "to_block"))
    assert runs == {(since - 100, since - 1), (since, None)}


def test_an_address_with_too_many_transfers_is_looked_at_only_so_far(
    town, chain, catch_up, monkeypatch
):
    monkeypatch.setattr(lookback, "WINDOW", 5)
    monkeypatch.setattr(lookback, "MOST_TRANSFERS", 3)
    town.pay(60)
    follow(town, catch_up, 0)
    do_all()
    job = BackfillJob.objects.get(kind="history", token=None)
    assert (job.state, job.error) == ("done", "busy_address")
    assert (job.cursor or 0) > 5
