"""One block into the tables, from a real node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from balances.models import Address, BackfillJob, Balance, BalancePoint, Block, Chain, Coverage, Tx
from balances.services import cells, history, past, seeding
from balances.services.blocks import Outcome, apply_block
from balances.services.rollback import TipMoved, roll_back
from balances.services.tokens import native_of
from balances.sources import nodes_for, sync_chains
from foundation.evm import blocks as wire
from foundation.evm import multicall
from foundation.evm.node import Endpoint
from foundation.evm.nodes import Nodes

pytestmark = pytest.mark.django_db(transaction=True)

ALICE, BOB = bytes(range(1, 21)), bytes(range(101, 121))


@pytest.fixture
def chain(anvil):
    (chain,) = sync_chains([{"id": 1, "name": "Test", "rpc": [anvil.url], "reorg_depth": 32}])
    return chain


@pytest.fixture
def nodes(chain):
    nodes = nodes_for(chain)
    yield nodes
    nodes.close()


@pytest.fixture
def follow(chain, nodes):
    """Apply every block up to the head; return the outcomes."""

    def apply():
        chain.refresh_from_db()
        head = wire.head(nodes)
        first = head.number if chain.head_number is None else chain.head_number + 1
        return [
            apply_block(chain.pk, past.hash_of(nodes, number), nodes)
            for number in range(first, head.number + 1)
        ]

    return apply


def pay(anvil, to, value):
    return anvil.send({"to": f"0x{to.hex()}", "value": hex(value)})


def held(chain, address):
    return Balance.objects.get(address__raw=address, token=native_of(chain))


def test_a_followed_address_has_its_new_balance_when_the_block_is_applied(
    anvil, chain, nodes, follow
):
    assert follow() == [Outcome.APPLIED]
    seeding.watch_addresses([ALICE])
    pay(anvil, ALICE, 7)
    assert follow() == [Outcome.APPLIED]
    row = held(chain, ALICE)
    chain.refresh_from_db()
    assert (row.value, row.block_number, row.stale) == (7, chain.head_number, False)
    assert Coverage.objects.get().from_block == chain.head_number
    assert Tx.objects.get(recipient=ALICE).value == 7


def test_a_block_applied_twice_changes_nothing(anvil, chain, nodes, follow):
    follow()
    seeding.watch_addresses([ALICE])
    pay(anvil, ALICE, 7)
    follow()
    before = held(chain, ALICE).version
    assert apply_block(chain.pk, wire.head(nodes).hash, nodes) == Outcome.KNOWN
    assert (BalancePoint.objects.count(), held(chain, ALICE).version) == (1, before)


def test_a_block_whose_parent_is_missing_is_not_applied(anvil, chain, nodes, follow):
    follow()
    anvil.ask("anvil_mine", "0x3")
    assert apply_block(chain.pk, wire.head(nodes).hash, nodes) == Outcome.AHEAD
    assert Block.objects.count() == 1


def test_an_orphan_is_not_applied(anvil, chain, nodes, follow):
    follow()
    pay(anvil, ALICE, 7)
    orphan = wire.head(nodes).hash
    anvil.ask("anvil_reorg", 1, [])
    assert apply_block(chain.pk, orphan, nodes) == Outcome.ORPHANED
    assert Block.objects.count() == 1


def test_blocks_that_were_taken_back_leave_no_row_and_the_balances_before_them(
    anvil, chain, nodes, follow
):
    follow()
    seeding.watch_addresses([ALICE, BOB])
    pay(anvil, ALICE, 7)
    follow()
    chain.refresh_from_db()
    fork = chain.head_number
    pay(anvil, ALICE, 5)
    pay(anvil, BOB, 3)
    follow()
    chain.refresh_from_db()
    roll_back(chain.pk, tip_hash=bytes(chain.head_hash), fork_number=fork)
    chain.refresh_from_db()
    assert (chain.head_number, chain.epoch) == (fork, 2)
    assert (held(chain, ALICE).value, held(chain, ALICE).stale) == (7, False)
    # Bob's only reading is gone: unknown, which is not zero.
    assert (held(chain, BOB).value, held(chain, BOB).stale) == (None, True)
    for model, name in ((Block, "number"), (Tx, "block_number"), (BalancePoint, "block_number")):
        assert not model.objects.filter(**{f"{name}__gt": fork}).exists()
    assert Coverage.objects.count() == 1
    assert chain.reorgs.get().depth == 2


def test_a_roll_back_decided_on_an_old_tip_does_nothing(anvil, chain, nodes, follow):
    follow()
    pay(anvil, ALICE, 7)
    follow()
    with pytest.raises(TipMoved):
        roll_back(chain.pk, tip_hash=bytes(32), fork_number=0)
    assert Block.objects.count() == 2


def test_an_address_added_while_a_block_is_read_is_part_of_it(
    anvil, chain, nodes, follow, monkeypatch
):
    follow()
    pay(anvil, ALICE, 7)
    read = cells.read

    def add_meanwhile(*args, **kwargs):
        seeding.watch_addresses([ALICE])
        return read(*args, **kwargs)

    monkeypatch.setattr(cells, "read", add_meanwhile)
    assert follow() == [Outcome.APPLIED]
    assert held(chain, ALICE).value == 7


def test_a_cell_that_fails_keeps_its_value_and_ends_what_is_known(
    anvil, chain, nodes, follow, monkeypatch
):
    follow()
    seeding.watch_addresses([ALICE])
    pay(anvil, ALICE, 7)
    follow()
    pay(anvil, ALICE, 1)
    with monkeypatch.context() as patched:
        nothing = lambda nodes, block, asked, **_: [None] * len(asked)  # noqa: E731
        patched.setattr(multicall, "balances", nothing)
        follow()
    row = held(chain, ALICE)
    assert (row.value, row.stale) == (7, True)
    assert Coverage.objects.get().to_block == row.block_number
    seeding.reread_stale(chain.pk, nodes)
    row.refresh_from_db()
    assert (row.value, row.stale) == (8, False)
    assert Coverage.objects.filter(to_block=None).get().from_block == row.block_number


def test_a_cell_that_never_answers_is_asked_ever_more_seldom_and_then_given_up(
    anvil, chain, nodes, follow, monkeypatch
):
    follow()
    seeding.watch_addresses([ALICE, BOB])
    asked = []

    def silent(nodes, block, cells, **options):
        asked.append(len(cells))
        return [None] * len(cells)

    with monkeypatch.context() as patched:
        patched.setattr(multicall, "balances", silent)
        seeding.seed(chain, [Address.objects.get(raw=ALICE)], nodes)
        assert seeding.reread_stale(chain.pk, nodes) == 0
        for _ in range(cells.MOST_TRIES):
            Balance.objects.update(next_try=None)
            seeding.reread_stale(chain.pk, nodes)
        row = held(chain, ALICE)
        assert (row.value, row.stale, row.tries) == (None, False, cells.MOST_TRIES)
        assert asked == [1] * cells.MOST_TRIES
        BackfillJob.objects.all().delete()
        (holding,) = history.current(row.address)
        assert (holding.state, holding.reason) == ("unknown", "failed")
    pay(anvil, ALICE, 3)
    follow()
    row = held(chain, ALICE)
    assert (row.value, row.stale, row.tries, row.next_try) == (3, False, 0, None)


def test_an_older_reading_says_nothing_of_a_cell_that_moved_since_unread(
    anvil, chain, nodes, follow, monkeypatch
):
    follow()
    seeding.watch_addresses([ALICE, BOB])
    balances = multicall.balances

    def a_block_meanwhile(*args, **options):
        values = balances(*args, **options)
        pay(anvil, ALICE, 4)
        silent = lambda nodes, block, asked, **_: [None] * len(asked)  # noqa: E731
        monkeypatch.setattr(multicall, "balances", silent)
        follow()
        return values

    monkeypatch.setattr(multicall, "balances", a_block_meanwhile)
    seeding.seed(chain, list(Address.objects.order_by("pk")), nodes)
    assert (held(chain, ALICE).value, held(chain, ALICE).stale) == (None, True)
    assert (held(chain, BOB).value, held(chain, BOB).stale) == (0, False)
    assert not Coverage.objects.filter(address__raw=ALICE).exists()
    monkeypatch.setattr(multicall, "balances", balances)
    seeding.reread_stale(chain.pk, nodes)
    assert (held(chain, ALICE).value, held(chain, ALICE).stale) == (4, False)


def test_a_reading_from_before_a_hole_is_read_again_at_the_tip(
    anvil, chain, nodes, follow, monkeypatch
):
    follow()
    seeding.watch_addresses([ALICE])
    balances = multicall.balances

    def blocks_left_out_meanwhile(*args, **options):
        values = balances(*args, **options)
        monkeypatch.setattr(multicall, "balances", balances)
        pay(anvil, ALICE, 4)
        pay(anvil, BOB, 1)
        apply_block(chain.pk, wire.head(nodes).hash, nodes, begins=True)
        return values

    monkeypatch.setattr(multicall, "balances", blocks_left_out_meanwhile)
    seeding.seed(chain, [Address.objects.get()], nodes)
    chain.refresh_from_db()
    assert (held(chain, ALICE).value, held(chain, ALICE).block_number) == (4, chain.head_number)
    assert Coverage.objects.get().from_block == chain.head_number


def test_cells_that_fail_do_not_stand_before_those_that_answer(
    anvil, chain, nodes, follow, monkeypatch
):
    follow()
    seeding.watch_addresses([ALICE, BOB])
    for who, tries in ((ALICE, 3), (BOB, 0)):
        address = Address.objects.get(raw=who)
        coin = native_of(chain)
        Balance.objects.create(address=address, token=coin, stale=True, tries=tries)
    monkeypatch.setattr(seeding, "PER_PASS", 1)
    assert seeding.reread_stale(chain.pk, nodes) == 1
    assert (held(chain, BOB).value, held(chain, ALICE).value) == (0, None)


def test_a_new_address_is_read_at_the_tip(anvil, chain, nodes, follow):
    pay(anvil, ALICE, 9)
    follow()
    seeding.watch_addresses([ALICE])
    seeding.seed(chain, [Address.objects.get()], nodes)
    assert held(chain, ALICE).value == 9
    assert Chain.objects.get().watch_seq == 1


def test_a_block_that_touches_without_changing_leaves_no_point_but_a_fresher_age(
    anvil, chain, nodes, follow
):
    follow()
    seeding.watch_addresses([ALICE])
    pay(anvil, ALICE, 7)
    follow()
    before = held(chain, ALICE)
    pay(anvil, ALICE, 0)
    follow()
    row = held(chain, ALICE)
    assert BalancePoint.objects.count() == 1
    assert (row.version, row.block_number) == (before.version, before.block_number + 1)


def test_coin_that_a_contract_passes_on_is_seen_by_its_trace_alone(anvil, chain, nodes, follow):
    follow()
    seeding.watch_addresses([ALICE, BOB])
    target = bytes(12) + ALICE
    forwarder = anvil.deploy("Forwarder", target)
    follow()
    anvil.send({"to": forwarder, "value": hex(9)})
    name = wire.head(nodes).hash
    assert apply_block(chain.pk, name, nodes, traced=True) == Outcome.APPLIED
    assert held(chain, ALICE).value == 9
    point = BalancePoint.objects.get()
    assert (point.source, point.kind) == ("trace", "exact")
    assert Coverage.objects.get().complete


def test_a_trace_that_cannot_be_had_just_now_does_not_hold_up_the_block(anvil, chain, follow):
    follow()
    seeding.watch_addresses([ALICE])
    points = [
        Endpoint("plain", anvil.url, caps=frozenset({"eip1898"})),
        Endpoint("dead", "http://127.0.0.1:9", caps=frozenset({"trace"})),
    ]
    nodes = Nodes(points, chain_id=1)
    pay(anvil, ALICE, 7)
    assert apply_block(1, wire.head(nodes).hash, nodes, traced=True) == Outcome.APPLIED
    assert held(chain, ALICE).value == 7
    assert not Coverage.objects.get().complete


def test_what_is_known_of_a_coin_is_complete_from_its_first_trace_to_the_first_block_without(
    anvil, chain, nodes, follow
):
    follow()
    seeding.watch_addresses([ALICE, BOB])
    pay(anvil, ALICE, 7)
    follow()
    pay(anvil, ALICE, 1)
    traced = wire.head(nodes)
    apply_block(1, traced.hash, nodes, traced=True)
    runs = Coverage.objects.order_by("from_block")
    assert [(run.complete, run.from_block, run.to_block) for run in runs] == [
        (False, traced.number - 1, traced.number - 1),
        (True, traced.number, None),
    ]
    pay(anvil, BOB, 1)
    follow()
    assert Coverage.objects.get(complete=True).to_block == traced.number
    assert held(chain, ALICE).stale
    seeding.reread_stale(1, nodes)
    assert (held(chain, ALICE).value, held(chain, ALICE).stale) == (8, False)
    assert not Coverage.objects.get(address__raw=ALICE, to_block=None).complete


def test_what_the_chain_pays_out_after_the_last_transaction_is_read(
    anvil, chain, nodes, follow, monkeypatch
):
    follow()
    seeding.watch_addresses([ALICE, BOB])
    pay(anvil, ALICE, 7)
    name = wire.head(nodes).hash
    block, told = wire.fetch_block(nodes, name), wire.touched_native(nodes, name)
    assert block is not None
    assert told is not None
    paying = replace(block, withdrawals=[ALICE], miner=BOB)
    before_the_payout = {**told, ALICE: 5, BOB: 5}
    monkeypatch.setattr(wire, "fetch_block", lambda *args, **kwargs: paying)
    monkeypatch.setattr(wire, "touched_native", lambda *args: before_the_payout)
    apply_block(1, name, nodes, traced=True)
    assert (held(chain, ALICE).value, held(chain, BOB).value) == (7, 0)
    points = BalancePoint.objects.values_list("source", "kind")
    assert set(points) == {("multicall", "exact")}


def test_fees_are_read_where_they_are_asked_for(anvil, chain, nodes, follow):
    follow()
    receipt = pay(anvil, ALICE, 7)
    apply_block(chain.pk, wire.head(nodes).hash, nodes, receipts=True)
    tx = Tx.objects.get()
    fee = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert (tx.fee, tx.ok) == (fee, True)
