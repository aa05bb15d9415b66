"""However a chain winds about, the tables end as if its last form had been the only one."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from balances.constants import NATIVE
from balances.models import (
    Address,
    BackfillJob,
    Balance,
    BalancePoint,
    Block,
    Chain,
    ChainSpan,
    Coverage,
    ReorgEvent,
    Token,
    Transfer,
    Tx,
)
from balances.services import blocks, cells, holes, keepsakes, rollback, seeding
from balances.services.blocks import Outcome, apply_block
from balances.services.catching_up import CatchUp, Halted, HeadMoved
from balances.tests.simulated_chain import TOKENS, SimulatedChain
from foundation.evm import multicall

PEOPLE = [bytes([number]) * 20 for number in range(1, 6)]
DEPTH = 12
# Whatever is asked of it, the simulated chain answers.
NODES: Any = None


def followed(simulated, chain_id=1):
    """A chain with all its people seeded at the head."""
    chain = Chain.objects.create(id=chain_id, name=f"Chain {chain_id}", reorg_depth=DEPTH)
    for contract in TOKENS:
        Token.objects.create(chain=chain, contract=contract, status=Token.Status.LISTED)
    seeding.watch_addresses(PEOPLE)
    catch_up = CatchUp(chain.pk, NODES, DEPTH, patience=0)
    catch_up.advance()
    seeding.seed(chain, list(Address.objects.all()), NODES)
    return catch_up


def settle(catch_up):
    """Advance until the head is reached: a head that moved asks for another round."""
    for _ in range(20):
        try:
            catch_up.advance()
        except HeadMoved:
            continue
        if not seeding.reread_stale(catch_up.chain_id, NODES):
            return
    raise AssertionError("never settled")


def tables(chain_id):
    """Everything that a chain's blocks told, without keys and moments."""
    of_token = {"token__chain": chain_id}
    return {
        "blocks": list(
            Block.objects.filter(chain=chain_id).order_by("number").values_list("number", "hash")
        ),
        "txs": sorted(Tx.objects.filter(chain=chain_id).values_list("block_number", "idx", "hash")),
        "transfers": sorted(
            Transfer.objects.filter(chain=chain_id).values_list(
                "block_number", "log_index", "token__contract", "value"
            )
        ),
        "points": sorted(
            BalancePoint.objects.filter(chain=chain_id).values_list(
                "address__raw", "token__contract", "block_number", "block_hash", "value"
            )
        ),
        "coverage": sorted(
            Coverage.objects.filter(**of_token, to_block=None).values_list(
                "address__raw", "token__contract", "from_block"
            )
        ),
        "balances": sorted(
            Balance.objects.filter(**of_token).values_list(
                "address__raw", "token__contract", "value", "stale"
            )
        ),
        "spans": list(
            ChainSpan.objects.filter(chain=chain_id).values_list("from_block", "to_block")
        ),
    }


STEP = st.one_of(
    st.tuples(st.just("mine"), st.integers(1, 4)),
    st.tuples(st.just("reorganise"), st.integers(1, DEPTH - 2)),
    st.tuples(st.just("take_back"), st.integers(1, DEPTH - 2)),
    st.tuples(st.just("advance"), st.just(0)),
    st.tuples(st.just("apply"), st.integers(0, 1_000)),
)


class Winding(TestCase):
    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 2**32), st.lists(STEP, max_size=14))
    def test_the_tables_end_as_if_the_last_form_had_been_the_only_one(self, seed, steps):
        with pytest.MonkeyPatch.context() as patched:
            simulated = SimulatedChain(PEOPLE, seed)
            simulated.mine(1)
            simulated.stand_in(patched)
            catch_up = followed(simulated)
            for what, number in steps:
                self.take(simulated, catch_up, what, number)
            simulated.mine(1)
            settle(catch_up)
            found = tables(1)
            self.replay(simulated)
            assert found == tables(2)

    def take(self, simulated, catch_up, what, number):
        if what == "advance":
            settle(catch_up)
        elif what == "apply":
            # Any block there ever was, in any order and as often as it comes.
            known = list(simulated.every.values())
            apply_block(1, known[number % len(known)].hash, NODES)
        elif what == "mine":
            simulated.mine(number)
        else:
            # What is followed is at most a few blocks old when it is taken back.
            settle(catch_up)
            getattr(simulated, what)(number)

    def replay(self, simulated):
        """The last form, applied once, from the block at which the other began."""
        line, simulated.line = simulated.line, simulated.line[:2]
        catch_up = followed(simulated, chain_id=2)
        simulated.line = line
        settle(catch_up)


@pytest.fixture
def simulated(monkeypatch):
    simulated = SimulatedChain(PEOPLE, seed=7)
    simulated.mine(1)
    simulated.stand_in(monkeypatch)
    return simulated


@pytest.fixture
def catch_up(db, simulated):
    return followed(simulated)


def wrong_values(simulated):
    """Covered values, at every block, that differ from the chain's own."""
    wrong = []
    for cover in Coverage.objects.select_related("address", "token"):
        last = simulated.head.number if cover.to_block is None else cover.to_block
        who, what = bytes(cover.address.raw), bytes(cover.token.contract)
        for number in range(cover.from_block, last + 1):
            points = BalancePoint.objects.of(cover.address, cover.token)
            point = points.filter(block_number__lte=number).first()
            if point is None or point.value != simulated.truth(number, who, what):
                wrong.append((who, what, number, point))
    return wrong


def test_every_covered_value_is_the_chains_own(simulated, catch_up):
    for _ in range(6):
        simulated.mine(3)
        settle(catch_up)
        simulated.reorganise(2)
        settle(catch_up)
    assert wrong_values(simulated) == []
    assert Chain.objects.get().epoch == 7


@pytest.mark.parametrize("step", ["match", "read", "insert", "_move_head"])
def test_a_follower_that_dies_at_any_step_leaves_nothing_half_done(
    simulated, catch_up, step, monkeypatch
):
    class Killed(BaseException):
        pass

    def die(*args, **kwargs):
        raise Killed

    simulated.mine(1)
    before = tables(1)
    with monkeypatch.context() as patched:
        patched.setattr(blocks, step, die)
        with pytest.raises(Killed):
            settle(catch_up)
    assert tables(1) == before
    settle(catch_up)
    assert Block.objects.count() == 2
    assert wrong_values(simulated) == []


def test_a_follower_that_dies_in_a_rollback_leaves_the_old_branch_whole(
    simulated, catch_up, monkeypatch
):
    class Killed(BaseException):
        pass

    def die(*args, **kwargs):
        raise Killed

    simulated.mine(3)
    settle(catch_up)
    before = tables(1)
    simulated.reorganise(2)
    with monkeypatch.context() as patched:
        patched.setattr(rollback, "_move_back", die)
        with pytest.raises(Killed):
            settle(catch_up)
    assert tables(1) == before
    settle(catch_up)
    assert wrong_values(simulated) == []


def test_a_reorg_beyond_the_limit_halts_and_deletes_nothing(simulated, catch_up):
    simulated.mine(DEPTH + 5)
    settle(catch_up)
    before = tables(1)
    simulated.reorganise(DEPTH + 3)
    with pytest.raises(Halted):
        settle(catch_up)
    assert tables(1) == before


def test_a_node_that_lags_but_catches_up_is_no_reorg(simulated, catch_up, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    catch_up.patience = 5
    simulated.mine(6)
    catch_up.advance()
    line = list(simulated.line)
    for shown in range(2, len(line)):
        simulated.line = line[:shown]
        catch_up.advance()
        now[0] += 4
    assert Chain.objects.get().head_number == len(line) - 1
    assert not ReorgEvent.objects.exists()


def test_a_node_further_behind_than_a_reorg_may_reach_is_not_believed_however_long(
    simulated, catch_up
):
    simulated.mine(DEPTH + 5)
    catch_up.advance()
    line = list(simulated.line)
    simulated.line = line[:3]
    for _ in range(3):
        with pytest.raises(HeadMoved, match="behind"):
            catch_up.advance()
    simulated.line = line
    simulated.mine(1)
    settle(catch_up)
    assert not ReorgEvent.objects.exists()


def test_a_node_far_behind_at_a_block_that_we_never_had_halts_nobody(
    simulated, catch_up, monkeypatch
):
    monkeypatch.setattr("balances.services.catching_up.DEEP_GAP", 5)
    simulated.mine(DEPTH + 10)
    settle(catch_up)
    line = list(simulated.line)
    assert not Block.objects.filter(number=4).exists()
    simulated.line = line[:5]
    for _ in range(3):
        with pytest.raises(HeadMoved, match="behind"):
            catch_up.advance()
    simulated.line = line
    simulated.mine(1)
    settle(catch_up)
    assert Chain.objects.get().head_number == simulated.head.number
    assert not ReorgEvent.objects.exists()


def test_a_node_that_does_not_say_what_it_has_below_its_head_proves_no_other_branch(
    simulated, catch_up, monkeypatch
):
    simulated.mine(DEPTH + 5)
    settle(catch_up)
    line = list(simulated.line)
    simulated.reorganise(2)
    monkeypatch.setattr("foundation.evm.blocks.fetch_header", lambda nodes, number: None)
    with pytest.raises(HeadMoved, match="does not say"):
        catch_up.advance()
    assert Chain.objects.get().head_number == line[-1].number


def test_a_head_that_went_back_for_a_moment_is_not_believed(simulated, catch_up):
    simulated.mine(3)
    settle(catch_up)
    catch_up.patience = 60
    simulated.take_back(2)
    settle(catch_up)
    chain = Chain.objects.get()
    assert (chain.head_number, chain.epoch) == (4, 1)


def test_far_behind_the_follower_begins_anew_and_the_hole_is_a_job(
    simulated, catch_up, monkeypatch
):
    monkeypatch.setattr("balances.services.catching_up.DEEP_GAP", 5)
    simulated.mine(10)
    settle(catch_up)
    assert sorted(ChainSpan.objects.values_list("from_block", "to_block")) == [(1, 1), (11, 11)]
    hole = BackfillJob.objects.get(kind="blocks")
    assert (hole.from_block, hole.to_block) == (2, 10)
    assert wrong_values(simulated) == []
    assert not Balance.objects.filter(stale=True).exists()


def test_a_filled_hole_makes_one_run_of_two(simulated, catch_up, monkeypatch):
    monkeypatch.setattr("balances.services.catching_up.DEEP_GAP", 5)
    simulated.mine(10)
    settle(catch_up)
    simulated.mine(3)
    settle(catch_up)
    assert holes.fill(BackfillJob.objects.get(kind="blocks"), NODES)
    assert list(ChainSpan.objects.values_list("from_block", "to_block")) == [(1, 14)]
    assert set(Coverage.objects.values_list("from_block", "to_block")) == {(1, None)}
    assert wrong_values(simulated) == []


def test_a_hole_that_nobody_traced_leaves_the_coin_unknown_where_it_was_sure_before(
    simulated, catch_up, monkeypatch
):
    monkeypatch.setattr("balances.services.catching_up.DEEP_GAP", 5)
    # As a follower with traces leaves it.
    Coverage.objects.update(complete=True)
    simulated.mine(10)
    settle(catch_up)
    Coverage.objects.update(complete=True)
    holes.fill(BackfillJob.objects.get(kind="blocks"), NODES)
    coins = Coverage.objects.filter(token__contract=NATIVE)
    others = Coverage.objects.exclude(token__contract=NATIVE)
    assert set(coins.values_list("from_block", "to_block")) == {(1, 1), (11, None)}
    assert set(others.values_list("from_block", "to_block")) == {(1, None)}


def test_what_a_hole_lacks_is_remembered_though_its_job_was_interrupted(
    simulated, catch_up, monkeypatch
):
    monkeypatch.setattr("balances.services.catching_up.DEEP_GAP", 5)
    simulated.mine(10)
    settle(catch_up)
    job = BackfillJob.objects.get(kind="blocks")
    read = cells.read
    with monkeypatch.context() as patched:
        patched.setattr(cells, "read", without_values)
        patched.setattr(holes, "SLICE", 0.0001)
        while not BackfillJob.objects.get(pk=job.pk).lacks:
            assert not holes.fill(job, NODES)
    assert cells.read is read
    # Another process goes on with what the row says.
    assert holes.fill(BackfillJob.objects.get(pk=job.pk), NODES)
    assert Coverage.objects.filter(from_block=11).exists()
    assert wrong_values(simulated) == []


def without_values(nodes, name, asked, **options):
    return [cells.Reading(cell, None) for cell in asked]


def test_a_reorg_right_after_a_new_beginning_goes_back_to_before_the_hole(
    simulated, catch_up, monkeypatch
):
    monkeypatch.setattr("balances.services.catching_up.DEEP_GAP", 5)
    simulated.mine(10)
    settle(catch_up)
    simulated.reorganise(3)
    settle(catch_up)
    assert wrong_values(simulated) == []
    assert Chain.objects.get().head_number == simulated.head.number
    native = Balance.objects.filter(token__contract=NATIVE, stale=False)
    assert native.count() == len(PEOPLE)


@pytest.mark.parametrize("orphaned", [False, True])
def test_a_block_that_was_kept_above_the_head_is_applied_all_the_same(
    simulated, catch_up, orphaned
):
    settle(catch_up)
    chain = Chain.objects.get()
    simulated.mine(1, transfers=30)
    for person in PEOPLE:
        keepsakes.keep_txs(chain, simulated.head, person)
    if orphaned:
        simulated.take_back(1)
        simulated.mine(1, transfers=30)
    simulated.mine(1, transfers=30)
    settle(catch_up)
    assert Chain.objects.get().head_number == simulated.head.number
    stored = Block.objects.order_by("number").values_list("hash", flat=True)
    assert [bytes(name) for name in stored] == [
        block.hash for block in simulated.line[-len(stored) :]
    ]
    assert wrong_values(simulated) == []


def test_an_import_of_addresses_during_a_block_costs_one_more_look(
    simulated, catch_up, monkeypatch
):
    stranger = b"\xab" * 20
    for held in simulated.state.values():
        held |= {(stranger, what): 0 for what in (NATIVE, *TOKENS)}
    simulated.people = [stranger, *PEOPLE]
    simulated.mine(1, transfers=30)
    read, times = cells.read, iter(range(100))

    def add_meanwhile(*args, **kwargs):
        if next(times) == 0:
            seeding.watch_addresses([stranger])
        return read(*args, **kwargs)

    monkeypatch.setattr(cells, "read", add_meanwhile)
    assert apply_block(1, simulated.head.hash, NODES) == Outcome.APPLIED
    assert Balance.objects.filter(address__raw=stranger).exists()
    assert wrong_values(simulated) == []


def test_a_reading_that_failed_in_a_block_that_was_taken_back_ended_nothing(
    simulated, catch_up, monkeypatch
):
    simulated.mine(3, transfers=30)
    answers = simulated._balances

    def fail(nodes, name, asked, **options):
        values = answers(nodes, name, asked, **options)
        return [None] * len(asked) if name == simulated.line[4].hash else values

    with monkeypatch.context() as patched:
        patched.setattr(multicall, "balances", fail)
        catch_up.advance()
    assert Coverage.objects.filter(to_block=3).exists()
    assert not Coverage.objects.filter(to_block__lt=3).exists()
    # Above block 2 everything is another branch, and the failure is no part of it.
    simulated.reorganise(2, transfers=30)
    settle(catch_up)
    assert set(Coverage.objects.values_list("from_block", "to_block")) == {(1, None)}
    assert wrong_values(simulated) == []
