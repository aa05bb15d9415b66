"""Who leads, on a real Valkey."""

import pytest

from foundation import valkey
from rates.constants import KEY_EPOCH, KEY_LEADER
from rates.services.feed.lease import Lease
from rates.services.feed.outbox import LeaseLost, Outbox


@pytest.fixture
async def client():
    client = valkey.async_client()
    yield client
    await client.aclose()


@pytest.fixture
async def leader(client):
    lease = Lease(client)
    assert await lease.hold() is True
    return lease


async def test_the_first_to_ask_leads_and_the_second_waits(client, leader):
    standby = Lease(client)
    assert await standby.hold() is False
    assert (leader.held, standby.held) == (True, False)


async def test_holding_again_renews_and_is_no_new_lease(client, leader):
    await client.pexpire(KEY_LEADER, 100)
    epoch = leader.epoch
    assert await leader.hold() is False
    assert leader.epoch == epoch
    assert await client.pttl(KEY_LEADER) > 1000


async def test_a_released_lease_is_free_at_once_with_a_higher_epoch(client, leader):
    epoch = leader.epoch
    await leader.release()
    standby = Lease(client)
    assert await standby.hold() is True
    assert standby.epoch > epoch


async def test_an_emptied_valkey_never_sends_the_epoch_backwards(client, leader):
    epoch = leader.epoch
    await client.flushall()
    assert await leader.hold() is True
    assert leader.epoch >= epoch


async def test_the_epoch_rises_above_one_from_the_future(client):
    await client.set(KEY_EPOCH, 99_999_999_999)
    lease = Lease(client)
    await lease.hold()
    assert lease.epoch == 100_000_000_000


async def test_a_feed_that_was_overtaken_writes_nothing_and_learns_it(client, leader):
    await client.set(KEY_LEADER, "somebody else")
    with pytest.raises(LeaseLost):
        await Outbox(client, leader).write([("SET", "written", "1")])
    assert await client.get("written") is None
    assert leader.held is False


async def test_one_write_runs_all_its_commands_and_says_that_the_feed_lives(client, leader):
    await Outbox(client, leader).write([("SET", "a", "1"), ("HSET", "b", "c", b"\xff")])
    assert await client.get("a") == b"1"
    assert await client.hget("b", "c") == b"\xff"
    assert float(await client.hget("rates:feed", "beat")) > 1_700_000_000
