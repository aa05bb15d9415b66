"""What keeps the record honest: comparing, sweeping, days, pruning, alarms. Nodes are stood in for
here; the follower's tests use real ones."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from balances import sources, tasks
from balances.constants import KEPT_BLOCKS
from balances.models import (
    Address,
    BackfillJob,
    Balance,
    Block,
    Chain,
    RpcEndpoint,
    Token,
    Transfer,
    Tx,
)
from balances.services import history, lookup, seeding, upkeep, watches
from balances.tests import ledger
from balances.tests.people import signed_in
from foundation.evm import blocks as node_blocks
from foundation.evm import multicall, probe
from foundation.evm.blocks import Header
from foundation.evm.node import NodeError
from foundation.tests.fake_node import FakeNode, passing_to

pytestmark = pytest.mark.django_db


class Said:
    """Nodes that answer every cell from a dictionary of address and contract."""

    def __init__(self) -> None:
        self.values: dict[tuple[bytes, bytes], int | None] = {}
        self.asked = 0
        self.closed = 0
        self.down = False

    def close(self) -> None:
        self.closed += 1

    def balances(self, nodes, block_hash, cells, **options):
        if self.down:
            raise NodeError("unavailable", "no node answers")
        self.asked += len(cells)
        return [self.values.get((bytes(a), bytes(t))) for a, t in cells]


@pytest.fixture
def node(monkeypatch):
    said = Said()
    monkeypatch.setattr(multicall, "balances", said.balances)
    monkeypatch.setattr(sources, "nodes_for", lambda chain: said)
    return said


@pytest.fixture
def chain():
    return ledger.make_chain(head=100)


@pytest.fixture
def address():
    return ledger.make_address()


# --- Comparing --------------------------------------------------------------------------------


def test_a_token_that_differs_is_counted_read_again_and_swept_from_then_on(chain, address, node):
    token = ledger.make_token(chain)
    ledger.make_history(address, token, {10: 5})
    node.values[ledger.raw(1), bytes(token.contract)] = 6
    assert upkeep.reconcile(chain, node) == 1
    token.refresh_from_db()
    assert token.bugged_events
    assert Balance.objects.get().value == 6
    assert upkeep.counters() == {"mismatches": 1}


def test_what_is_sampled_is_compared_with_a_block_that_is_not_older(
    chain, address, node, monkeypatch
):
    token = ledger.make_token(chain)
    ledger.make_history(address, token, {10: 5})
    Chain.objects.update(head_number=101, head_hash=bytes([1]) * 32)

    def at_block(nodes, block_hash, cells, **options):
        return [5 if block_hash == bytes([1]) * 32 else 4 for _ in cells]

    monkeypatch.setattr(multicall, "balances", at_block)
    assert upkeep.reconcile(chain, node) == 0
    token.refresh_from_db()
    assert not token.bugged_events


def test_what_agrees_is_left_alone(chain, address, node):
    token = ledger.make_token(chain)
    ledger.make_history(address, token, {10: 5})
    node.values[ledger.raw(1), bytes(token.contract)] = 5
    assert upkeep.reconcile(chain, node) == 0
    assert not Token.objects.filter(bugged_events=True).exists()
    assert upkeep.counters() == {}


def test_a_node_that_fails_a_cell_proves_nothing(chain, address, node):
    ledger.make_history(address, ledger.make_token(chain), {10: 5})
    assert upkeep.reconcile(chain, node) == 0
    assert Balance.objects.get().value == 5


def test_what_a_block_moved_meanwhile_is_not_compared(chain, address, node, monkeypatch):
    token = ledger.make_token(chain)
    ledger.make_history(address, token, {10: 5})

    def move_meanwhile(*args, **options):
        Balance.objects.update(value=7, version=999)
        return [6]

    monkeypatch.setattr(multicall, "balances", move_meanwhile)
    assert upkeep.reconcile(chain, node) == 0
    assert Balance.objects.get().value == 7


def test_coins_are_compared_only_where_traces_tell_of_them(chain, address, node):
    ledger.make_history(address, ledger.native(chain), {10: 5})
    node.values[ledger.raw(1), b""] = 6
    assert upkeep.reconcile(chain, node) == 0
    RpcEndpoint.objects.create(chain=chain, name="node", url_http="x", caps={"trace": True})
    assert upkeep.reconcile(chain, node) == 1
    assert not Token.objects.filter(bugged_events=True).exists()


def test_a_sweep_reads_the_oldest_readings_of_what_moves_unseen(chain, node, monkeypatch):
    monkeypatch.setattr(upkeep, "SWEPT_AT_ONCE", 2)
    coin, token = ledger.native(chain), ledger.make_token(chain)
    now = timezone.now()
    for number, age in ((1, 3), (2, 9), (3, 6)):
        holder = ledger.make_address(number)
        when = {"at": now - timedelta(hours=age), "block_number": 50}
        ledger.hold(holder, coin, 1, **when)
        ledger.hold(holder, token, 1, **when)
        node.values[ledger.raw(number), b""] = 8
    assert upkeep.sweep(chain, node) == 2
    swept = Balance.objects.filter(value=8).values_list("address__raw", flat=True)
    assert {bytes(raw) for raw in swept} == {ledger.raw(2), ledger.raw(3)}
    assert node.asked == 2


# --- Heads ------------------------------------------------------------------------------------


def header(chain, number, hash=None):
    own = ledger.block_hash(chain.pk, number)
    return Header(number=number, hash=hash or own, parent_hash=bytes(32), ts=0)


def test_a_final_block_is_compared_before_the_depth_moves(chain, node, monkeypatch):
    monkeypatch.setattr(node_blocks, "fetch_header", lambda nodes, n: header(chain, n))
    assert upkeep.finalize(chain, node) == 1
    chain.refresh_from_db()
    assert chain.finalized_number == 100 - 64
    assert upkeep.finalize(chain, node) == 0


def test_where_the_final_block_differs_nothing_moves(chain, node, monkeypatch):
    other = b"\x11" * 32
    monkeypatch.setattr(node_blocks, "fetch_header", lambda nodes, n: header(chain, n, other))
    assert upkeep.finalize(chain, node) == 0
    chain.refresh_from_db()
    assert chain.finalized_number is None


@pytest.mark.parametrize(
    ("facts", "still"),
    [
        ({}, False),
        ({"state": "halted"}, True),
        ({"head_seen_at": None}, True),
        ({"block_time_ms": 600_000}, False),
    ],
)
@pytest.mark.parametrize("minutes", [0, 4, 6])
def test_a_chain_that_stands_still_is_known_by_its_own_pace(chain, facts, still, minutes):
    Chain.objects.update(**{"head_seen_at": timezone.now()} | facts)
    later = timezone.now() + timedelta(minutes=minutes)
    slow = "block_time_ms" in facts
    assert upkeep.check_heads(later) == int(still or (minutes == 6 and not slow))


def test_one_chain_without_nodes_holds_up_no_other(chain, node, monkeypatch):
    other = ledger.make_chain(1, head=3)
    halted = ledger.make_chain(2, state="halted")

    def nodes_for(asked):
        if asked == chain:
            raise sources.Unconfigured("no endpoint")
        return node

    monkeypatch.setattr(sources, "nodes_for", nodes_for)
    seen = []

    def note(asked, nodes):
        seen.append(asked)
        return 1

    assert upkeep.each_chain(note) == 1
    assert seen == [other]
    assert halted not in seen
    assert node.closed == 1


def test_a_node_that_is_away_puts_the_work_off(chain, address, node):
    ledger.make_history(address, ledger.make_token(chain), {10: 5})
    node.down = True
    assert upkeep.each_chain(upkeep.reconcile) == 0
    assert Balance.objects.get().value == 5
    assert node.closed == 1


def test_an_endpoint_of_another_chain_is_told_apart(chain, anvil):
    good = RpcEndpoint.objects.create(chain=chain, name="a", url_http=anvil.url)
    assert upkeep.probe_endpoints(full=False) == 0
    good.refresh_from_db()
    assert (good.last_error_class, good.failures, good.last_ok_at) == ("wrong_chain", 1, None)


def test_probing_keeps_what_an_endpoint_can_do(anvil):
    chain = ledger.make_chain(anvil.chain_id)
    RpcEndpoint.objects.create(chain=chain, name="a", url_http=anvil.url)
    RpcEndpoint.objects.create(chain=chain, name="b", url_http="http://127.0.0.1:1")
    RpcEndpoint.objects.create(chain=chain, name="c", url_http="http://x/$NO_SUCH_VARIABLE")
    assert upkeep.probe_endpoints(full=False) == 1
    good, down, unset = RpcEndpoint.objects.order_by("name")
    assert good.caps["eip1898"] is True
    assert (good.archive_from, good.batch_max, good.failures) == (0, 100, 0)
    assert good.last_ok_at is not None
    assert (down.last_error_class, unset.last_error_class) == ("unavailable", "unconfigured")


def test_a_slow_endpoint_costs_others_a_turn_and_no_more(anvil, monkeypatch):
    """It answers each question just in time, and all of them together take too long."""
    chain = ledger.make_chain(anvil.chain_id)
    monkeypatch.setattr(probe, "WHOLE", 2.0)
    with FakeNode(passing_to(anvil.url, late)) as node:
        slow = RpcEndpoint.objects.create(chain=chain, name="a", url_http=node.url)
        good = RpcEndpoint.objects.create(chain=chain, name="b", url_http=anvil.url)
        # A turn is over when one of them was asked.
        monkeypatch.setattr(upkeep, "PROBING", 0.0)
        found = [upkeep.probe_endpoints(full=True) for _ in range(3)]
    assert found == [0, 1, 0]
    slow.refresh_from_db()
    good.refresh_from_db()
    assert (slow.last_error_class, slow.failures, slow.caps) == ("slow", 2, {})
    assert (good.last_error_class, good.failures) == ("", 0)
    assert good.caps["eip1898"] is True


def late(item, answer):
    threading.Event().wait(0.5)
    return answer


# --- What is thrown away ------------------------------------------------------------------------


def test_old_activity_stays_where_a_followed_address_takes_part(address):
    chain = ledger.make_chain()
    ledger.make_blocks(chain, [1, 2, KEPT_BLOCKS + 1])
    token = ledger.make_token(chain)
    watches.add(signed_in().user, ledger.raw(1))  # type: ignore[attr-defined]
    for number in (1, 2):
        for sender, recipient in ((1, 2), (2, 1), (2, 3)):
            ledger.make_tx(chain, number, sender, recipient, 1)
            ledger.make_transfer(token, number, sender, recipient, 1)
    ledger.make_tx(chain, 1, 3, None, 1)
    upkeep.prune(timezone.now())
    for model in (Tx, Transfer):
        assert model.objects.filter(block_number=1).count() == 2
        assert model.objects.filter(block_number=2).count() == 3
    assert Block.objects.count() == 3


def test_an_address_is_forgotten_when_nobody_watches_it_and_nobody_looks(chain):
    now = timezone.now()
    user = signed_in().user  # type: ignore[attr-defined]
    watches.add(user, ledger.raw(1))
    for number, until in ((2, now - timedelta(hours=1)), (3, now + timedelta(hours=1)), (4, None)):
        holder = ledger.make_address(number)
        ledger.make_history(holder, ledger.native(chain), {10: 5})
        Address.objects.filter(pk=holder.pk).update(looked_up_until=until)
    upkeep.prune(now)
    kept = {bytes(raw) for raw in Address.objects.values_list("raw", flat=True)}
    assert kept == {ledger.raw(1), ledger.raw(3)}


def test_jobs_that_are_done_are_kept_for_a_week(chain, address):
    for age, state in ((8, "done"), (6, "done"), (8, "waiting")):
        job = BackfillJob.objects.create(chain=chain, kind="seed", address=address, state=state)
        BackfillJob.objects.filter(pk=job.pk).update(added_at=timezone.now() - timedelta(days=age))
    watches.add(signed_in().user, ledger.raw(1))  # type: ignore[attr-defined]
    upkeep.prune(timezone.now())
    assert sorted(BackfillJob.objects.values_list("state", flat=True)) == ["done", "waiting"]


def test_a_parked_job_waits_again_unless_it_does_already(chain, address):
    facts = {"chain": chain, "kind": "seed", "address": address}
    parked = BackfillJob.objects.create(**facts, state="parked", error="x", attempts=5)
    assert upkeep.retry([parked.pk]) == 1
    parked.refresh_from_db()
    assert (parked.state, parked.attempts, parked.error) == ("waiting", 0, "")
    twin = BackfillJob.objects.create(**facts, state="parked")
    assert upkeep.retry([twin.pk]) == 0


# --- At a day's work ------------------------------------------------------------------------------


def test_a_looked_up_address_is_read_by_the_task_that_its_page_wakes(anvil):
    chain = ledger.make_chain(anvil.chain_id)
    RpcEndpoint.objects.create(chain=chain, name="a", url_http=anvil.url)
    block = anvil.ask("eth_getBlockByNumber", "latest", False)
    ledger.make_blocks(chain, [int(block["number"], 16)])
    Block.objects.update(hash=bytes.fromhex(block["hash"][2:]))
    Chain.objects.update(head_hash=bytes.fromhex(block["hash"][2:]))
    rich = lookup.look_up("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    (before,) = history.current(rich)
    assert (before.value, before.state) == (None, "loading")
    assert tasks.read_at_block() >= 1
    (after,) = history.current(rich)
    assert after.value == int(anvil.ask("eth_getBalance", str(rich), "latest"), 16)
    assert seeding.SEED not in BackfillJob.objects.waiting().values_list("kind", flat=True)
