"""The follower as a process, on a real node: killed, competing, misled, cut off."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import pytest
from django.db import connection

from balances.models import Block, Chain, ReorgEvent, Transfer, Tx
from balances.services import backfill, seeding
from balances.tests.following import (
    DEADLINE,
    Town,
    configured,
    eventually,
    orphans,
    process,
    written,
    wrong_balances,
    wrong_history,
)

pytestmark = pytest.mark.django_db(transaction=True)


# So many turns, each with a kill and 40 transfers; in which ones the chain takes back how much.
TURNS, REORGS = (
    (5, {2: 3, 4: 10}) if os.environ.get("QUAYSIDE_SHOWS") == "full" else (2, {0: 3, 1: 10})
)


def caught_up(town):
    def holds():
        chain = Chain.objects.filter(pk=town.anvil.chain_id).first()
        if chain is None or chain.head_hash is None:
            return False
        return (chain.head_number, written(bytes(chain.head_hash))) == town.head()

    return eventually(holds, "caught up")


def leader():
    """The process that holds the lock, by the address of its connection."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.client_port FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()"
        )
        return [port for (port,) in cursor.fetchall()]


def test_after_kills_and_reorgs_every_balance_is_the_nodes(anvil):
    town = Town(anvil, 50)
    chains = configured(anvil)
    with ExitStack() as stack:
        # The next one stands by, so that somebody always works or is about to.
        working, standby = (stack.enter_context(process(chains, "--chain", "1")) for _ in range(2))
        eventually(lambda: Chain.objects.filter(head_number__isnull=False).exists(), "begun")
        seeding.watch_addresses(town.people)
        assert backfill.run_due(60, kinds=["seed"]) == 50
        for turn in range(TURNS):
            # It works by now, and is killed somewhere on its way.
            caught_up(town)
            before = town.random.randint(10, 35)
            town.pay(before)
            if turn in REORGS:
                caught_up(town)
                town.reorganise(REORGS[turn])
            working.end(signal.SIGKILL)
            town.pay(40 - before)
            working, standby = standby, stack.enter_context(process(chains, "--chain", "1"))
        caught_up(town)
        eventually(lambda: not wrong_balances(town), "read again")
    assert wrong_history(town, 100) == []
    assert orphans(town) == []
    numbers = list(Block.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert set(ReorgEvent.objects.values_list("depth", flat=True)) == set(REORGS.values())
    for model in (Tx, Transfer):
        assert not model.objects.exclude(block_number__in=numbers).exists()


def test_a_second_follower_waits_and_takes_over(anvil):
    town = Town(anvil, 2)
    chains = configured(anvil)
    with process(chains, "--chain", "1") as first:
        eventually(leader, "leading")
        with process(chains, "--chain", "1") as second:
            town.pay(3)
            caught_up(town)
            assert len(leader()) == 1
            assert first.end(signal.SIGTERM) == 0
            town.pay(2)
            caught_up(town)
            assert second.child.poll() is None
    assert Chain.objects.get().epoch == 1


def test_another_chain_behind_the_address_stops_the_follower_with_an_alarm(anvil, other_anvil):
    with process(configured(anvil, rpc=[other_anvil.url], ws=""), "--chain", "1") as follower:
        assert follower.child.wait(DEADLINE) == 3
        assert "another chain answers" in follower.log()
    chain = Chain.objects.get()
    assert (chain.state, Block.objects.count()) == ("halted", 0)


def test_every_chain_has_a_process_and_all_end_together(anvil, other_anvil):
    chains = [*configured(anvil), *configured(other_anvil)]
    with process(chains, "--all") as parent:
        eventually(lambda: Chain.objects.filter(head_number__isnull=False).count() == 2, "both")
        assert len(leader()) == 2
        assert parent.end(signal.SIGTERM) == 0
    eventually(lambda: not leader(), "all ended")
