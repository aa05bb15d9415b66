"""Which block a time means, where no block of that time is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from redis.exceptions import RedisError

from balances import tasks
from balances.models import Address, BackfillJob, Block, Chain, RpcEndpoint
from balances.services import dating, history, readings_wanted
from balances.services.holdings import Reason, State
from balances.tests import ledger
from foundation import valkey
from foundation.errors import NotFound

pytestmark = pytest.mark.django_db

RICH = bytes.fromhex("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")


@pytest.fixture
def chain(anvil, monkeypatch):
    """A chain of 41 blocks a minute apart, of which the desk stores the last only."""
    # The node's first block is of this moment, so the others lie ahead.
    later = timezone.now() + timedelta(hours=2)
    monkeypatch.setattr(history, "timezone", SimpleNamespace(now=lambda: later))
    begin = int(anvil.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    for number in range(1, 41):
        anvil.ask("evm_setNextBlockTimestamp", begin + 60 * number)
        anvil.ask("anvil_mine")
    found = ledger.make_chain(anvil.chain_id)
    RpcEndpoint.objects.create(chain=found, name="a", url_http=anvil.url, archive_from=0)
    head = anvil.ask("eth_getBlockByNumber", "latest", False)
    ledger.make_blocks(found, [40], ts=when(anvil, 40))
    Block.objects.update(hash=bytes.fromhex(head["hash"][2:]))
    Chain.objects.update(head_hash=bytes.fromhex(head["hash"][2:]))
    return Chain.objects.get()


def when(anvil, number):
    block = anvil.ask("eth_getBlockByNumber", hex(number), False)
    return datetime.fromtimestamp(int(block["timestamp"], 16), UTC)


def asked(address, moment):
    (holding,) = history.balances_at(address, at=moment)
    return holding


def test_a_time_of_old_is_looked_for_then_read_and_then_told(anvil, chain):
    address = Address.objects.create(raw=RICH)
    moment = when(anvil, 17) + timedelta(seconds=30)
    first = asked(address, moment)
    assert (first.value, first.state, first.reason) == (None, State.LOADING, Reason.LOCATING)
    tasks.read_at_block()
    second = asked(address, moment)
    assert (second.block_number, second.state, second.reason) == (17, "loading", "reading")
    tasks.read_at_block()
    third = asked(address, moment)
    told = int(anvil.ask("eth_getBalance", f"0x{RICH.hex()}", hex(17)), 16)
    assert (third.value, third.state, third.source) == (told, "exact", "archive")


@pytest.mark.parametrize(
    ("number", "late", "block"), [(0, 0, 0), (1, 0, 1), (1, -1, 0), (39, 59, 39), (23, 0, 23)]
)
def test_the_block_is_the_last_until_then_to_the_second(anvil, chain, number, late, block):
    moment = when(anvil, number) + timedelta(seconds=late)
    assert dating.want(chain, moment)
    assert dating.find_wanted() == 1
    assert dating.found(chain, moment) == block


def test_an_answer_does_not_outlive_the_blocks_it_was_found_among(anvil, chain):
    moment = when(anvil, 17)
    assert dating.want(chain, moment)
    assert dating.find_wanted() == 1
    chain.epoch += 1
    assert dating.found(chain, moment) is None


def test_a_time_before_the_first_block_of_all_is_an_error_once_it_is_known(anvil, chain):
    address = ledger.make_address()
    moment = when(anvil, 0) - timedelta(seconds=1)
    assert asked(address, moment).reason == Reason.LOCATING
    tasks.read_at_block()
    with pytest.raises(NotFound) as refused:
        asked(address, moment)
    assert refused.value.code == "before_genesis"


def test_without_a_node_a_time_of_old_is_unknown(anvil, chain):
    RpcEndpoint.objects.update(enabled=False)
    holding = asked(ledger.make_address(), when(anvil, 17))
    assert (holding.state, holding.reason) == (State.UNKNOWN, Reason.NOT_COVERED)


def test_without_valkey_a_time_of_old_is_unknown_and_no_error(anvil, chain, monkeypatch):
    class Away:
        def __getattr__(self, name):
            raise RedisError("away")

    moment = when(anvil, 17)
    monkeypatch.setattr(valkey, "client", Away)
    assert asked(ledger.make_address(), moment).reason == Reason.NOT_COVERED


def test_there_is_an_end_to_how_many_times_may_wait(anvil, chain, monkeypatch):
    monkeypatch.setattr(dating, "MOST_WANTED", 1)
    assert dating.want(chain, when(anvil, 3))
    assert not dating.want(chain, when(anvil, 4))


def test_a_time_that_no_calendar_has_does_not_lose_the_others(anvil, chain):
    hostile = [f"{chain.pk}:{-(10**11)}", f"{chain.pk}:{10**30}", "x"]
    valkey.client().sadd(dating.WANTED, *hostile)
    assert dating.want(chain, when(anvil, 17))
    assert dating.find_wanted() == 1
    assert dating.found(chain, when(anvil, 17)) == 17


def test_a_turn_has_an_end_and_what_is_left_has_the_next(anvil, chain, monkeypatch):
    monkeypatch.setattr(tasks, "READINGS", 0.0)
    monkeypatch.setattr(tasks, "TURN", 0.0)
    woken = []
    monkeypatch.setattr(tasks.read_at_block, "apply_async", lambda **given: woken.append(given))
    address = ledger.make_address()
    readings_wanted.queue(address, chain, 40, [None])
    assert dating.want(chain, when(anvil, 17))
    assert tasks.read_at_block() == 0
    assert dating.is_wanted(chain, when(anvil, 17))
    assert BackfillJob.objects.get().attempts == 0
    assert len(woken) == 1


def test_a_time_whose_search_was_interrupted_is_still_wanted(anvil, chain, monkeypatch):
    moments = [when(anvil, number) for number in (17, 18, 19)]
    for moment in moments:
        assert dating.want(chain, moment)

    def interrupted(*args):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(dating, "locate", interrupted)
    with pytest.raises(SoftTimeLimitExceeded):
        dating.find_wanted()
    assert [dating.is_wanted(chain, moment) for moment in moments] == [True] * 3


def test_the_nodes_of_a_halted_chain_are_not_asked_for_its_times(anvil, chain):
    Chain.objects.update(state=Chain.State.HALTED)
    dating.want(chain, when(anvil, 17))
    assert dating.find_wanted() == 0


def test_a_node_that_is_away_leaves_it_to_who_asks_again(anvil, chain):
    RpcEndpoint.objects.update(url_http="http://127.0.0.1:1")
    dating.want(chain, when(anvil, 17))
    assert dating.find_wanted() == 0
    assert dating.found(chain, when(anvil, 17)) is None
    assert not BackfillJob.objects.exists()
