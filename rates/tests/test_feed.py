"""The whole feed: a simulated exchange on a socket, a real Valkey, and what a hub would hear."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import Any

import pytest
from django.db import OperationalError

from foundation import valkey
from live.messages import ALIVE, PRIORITY, decode
from rates import constants as c
from rates.feeds.kraken_ws import KrakenWS
from rates.services.feed import runner
from rates.services.feed.runner import Feed
from rates.services.spread_table import PUBLISH
from rates.tests.test_feed_board import resolved

DEADLINE = 10.0


class WatchedFeed(Feed):
    """A feed whose test may change what its database holds."""

    wanted: dict[str, Any]


class Heard:
    """Everything published on the topic's channel since it was opened."""

    def __init__(self):
        self.messages = []

    async def listen(self, client):
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(c.channel_quotes())
            async for item in pubsub.listen():
                if item["type"] == "message":
                    self.messages.append(decode(item["data"]))

    def of(self, key, since=0):
        found = [m for m in self.messages[since:] if m.key == key and m.flag != ALIVE]
        return [(json.loads(m.data, parse_float=D), json.loads(m.meta)) for m in found]


async def until(reached, what="it"):
    deadline = time.monotonic() + DEADLINE
    while not (found := reached()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        await asyncio.sleep(0.01)
    return found


@pytest.fixture
async def client():
    client = valkey.async_client(max_connections=10)
    yield client
    await client.aclose()


@pytest.fixture
async def heard(client):
    heard = Heard()
    task = asyncio.create_task(heard.listen(client))
    yield heard
    task.cancel()


@pytest.fixture
def start(simulator):
    """Run a feed of BTC_USD for the time of a ``with``; its table is in ``feed.wanted``."""

    @asynccontextmanager
    async def start(**table):
        client = valkey.async_client()
        wanted: dict[str, Any] = {"table": resolved(**table)}

        async def resolve():
            if wanted.get("database_down"):
                raise OperationalError("the server closed the connection")
            return wanted["table"]

        async def republish():
            version, body = wanted["table"]["version"], json.dumps(wanted["table"])
            keys = (c.KEY_SPREADS, c.KEY_SPREADS_VERSION)
            await client.eval(PUBLISH, 2, *keys, version, body, c.CHANNEL_CONTROL, "{}")

        async def confirm(symbols):
            return {}

        feed = WatchedFeed(
            client=client,
            source=KrakenWS(simulator.ws_url),
            resolve=resolve,
            republish=republish,
            confirm=confirm,
            simulated=True,
        )
        feed.wanted = wanted
        running = asyncio.create_task(feed.run())
        try:
            yield feed
        finally:
            feed.stop()
            await asyncio.wait_for(running, 5)
            await client.aclose()

    return start


async def control(simulator, **wanted):
    await asyncio.to_thread(simulator.set, **wanted)


async def publish_table(client, table):
    async with client.pipeline() as pipe:
        pipe.set(c.KEY_SPREADS, json.dumps(table)).set(c.KEY_SPREADS_VERSION, table["version"])
        pipe.publish(c.CHANNEL_CONTROL, json.dumps({"t": "spreads", "v": table["version"]}))
        await pipe.execute()


async def test_a_tick_becomes_a_quote_with_the_spread_to_the_last_digit(start, heard, simulator):
    async with start(max_jump_bps=1_000_000):
        await until(lambda: heard.of("BTC_USD"), "a quote")
        await control(simulator, mode="silent")
        await asyncio.to_thread(simulator.tick, "BTC/USD", "84359.8", "84359.90")
        data, meta = await until(
            lambda: next(
                (m for m in heard.of("BTC_USD") if m[0]["original"]["sell"] == D("84359.8")), None
            )
        )
    assert data["original"] == {"buy": D("84359.9"), "sell": D("84359.8")}
    assert data["withSpread"] == {"buy": D("84781.7"), "sell": D("83938.0")}
    assert data["currentSpread"] == {"buy": D("421.8"), "sell": D("-421.8")}
    assert (meta["state"], meta["spread_version"], meta["decimals"]) == ("live", 1, 1)


async def test_the_snapshot_holds_the_bytes_that_were_published(start, heard, client, simulator):
    async with start():
        await until(lambda: heard.of("BTC_USD"))
        await control(simulator, mode="silent")
        await until(lambda: len(heard.messages) > 1)
        stored = decode(await client.hget(c.key_quotes(), "BTC_USD"))
    assert stored in heard.messages


async def test_an_edit_is_quoted_at_once_ahead_of_ticks_and_acknowledged(
    start, heard, client, simulator
):
    async with start():
        await until(lambda: heard.of("BTC_USD"))
        await control(simulator, mode="silent")
        before = len(heard.messages)
        await publish_table(client, resolved(version=7))
        await until(lambda: heard.of("BTC_USD", before), "the new quote")
        published = next(m for m in heard.messages[before:] if m.key == "BTC_USD")
        assert published.flag == PRIORITY
        assert json.loads(published.meta)["spread_version"] == 7
        assert int(await client.hget(c.KEY_FEED, "applied_v")) == 7


async def test_a_lost_notice_heals_by_itself(start, heard, client):
    async with start() as feed:
        await until(lambda: heard.of("BTC_USD"))
        table = resolved(version=8, halted={"reason": "audit", "at": 1})
        await client.set(c.KEY_SPREADS, json.dumps(table))
        await client.set(c.KEY_SPREADS_VERSION, 8)
        await until(lambda: feed.board.table.version == 8, "the healing")
        await until(lambda: heard.of("BTC_USD")[-1][1]["reason"] == "audit", "the halt")


async def test_without_its_database_the_feed_goes_on_with_the_spreads_it_has(
    start, heard, monkeypatch
):
    monkeypatch.setattr(runner, "DATABASE_EVERY", 0.0)
    async with start() as feed:
        await until(lambda: heard.of("BTC_USD"))
        feed.wanted["database_down"] = True
        before = len(heard.messages)
        await until(lambda: len(heard.of("BTC_USD", before)) > 5, "going on")
        feed.wanted.update(database_down=False, table=resolved(version=9))
        await until(lambda: feed.board.table.version == 9, "the return of the database")


async def test_a_database_that_went_back_is_believed_again(start, heard, client, monkeypatch):
    monkeypatch.setattr(runner, "DATABASE_EVERY", 0.0)
    async with start(version=9) as feed:
        await client.set(c.KEY_SPREADS_VERSION, 9)
        await until(lambda: heard.of("BTC_USD"))
        feed.wanted["table"] = resolved(version=4)
        await until(lambda: heard.of("BTC_USD")[-1][1]["spread_version"] == 4, "the older spread")
        assert feed.board.table.version == 4
        assert int(await client.get(c.KEY_SPREADS_VERSION)) == 4
        assert int(await client.hget(c.KEY_FEED, "applied_v")) == 4


async def test_a_feed_started_after_a_restore_never_quotes_what_valkey_remembers(
    start, heard, client
):
    await publish_table(client, resolved(version=9, halted={"reason": "of old", "at": 1}))
    async with start(version=4):
        await until(lambda: heard.of("BTC_USD"))
        await until_version(client, 4)
        seen = len(heard.messages)
        await until(lambda: heard.of("BTC_USD", seen), "a quote after the comparison")
    assert {meta["spread_version"] for _, meta in heard.of("BTC_USD")} == {4}


async def until_version(client, version):
    deadline = time.monotonic() + DEADLINE
    while int(await client.get(c.KEY_SPREADS_VERSION) or -1) != version:
        assert time.monotonic() < deadline, "the version in Valkey"
        await asyncio.sleep(0.01)


async def test_a_lost_exchange_withdraws_every_price_and_says_why(start, heard, simulator):
    async with start():
        await until(lambda: [m for m in heard.of("BTC_USD") if m[1]["state"] == "live"])
        before = len(heard.messages)
        await control(simulator, mode="close")
        data, meta = (
            await until(
                lambda: [m for m in heard.of("BTC_USD", before) if m[1]["state"] == "stale"]
            )
        )[-1]
        assert data["withSpread"] is None
        assert data["original"]["buy"] is not None
        states = await until(lambda: [s for s, _ in heard.of("*") if s["state"] == "stale"])
        assert states[-1]["reason"] == meta["reason"]
        await control(simulator, mode="normal")
        await until(lambda: heard.of("BTC_USD")[-1][1]["state"] == "live", "the recovery")


async def test_maintenance_of_the_venue_withdraws_every_price(start, heard, simulator):
    async with start():
        await until(lambda: heard.of("BTC_USD"))
        await control(simulator, mode="maintenance")
        await until(lambda: heard.of("BTC_USD")[-1][1]["reason"] == "venue_maintenance")


async def test_two_feeds_never_both_publish_and_the_standby_takes_over(start, heard):
    async with start() as first:
        await until(lambda: heard.of("BTC_USD"))
        epoch = first.lease.epoch
        async with start() as second:
            await until(lambda: second.board.connected, "the standby's connection")
            assert (first.lease.held, second.lease.held) == (True, False)
            first.stop()
            await until(lambda: second.lease.held, "the takeover")
            await until(lambda: heard.messages[-1].epoch > epoch, "a newer quote")
    epochs = [message.epoch for message in heard.messages]
    assert epochs == sorted(epochs)


async def test_an_emptied_valkey_is_filled_again(start, heard, client):
    async with start():
        await until(lambda: heard.of("BTC_USD"))
        await client.flushall()
        before = len(heard.messages)
        await until(lambda: heard.of("BTC_USD", before), "a new quote")
        assert await client.hget(c.key_quotes(), "BTC_USD") is not None
        assert int(await client.get(c.KEY_SPREADS_VERSION)) == 1
        assert int(await client.hget(c.KEY_FEED, "applied_v")) == 1


async def test_a_pair_that_is_disabled_leaves_the_snapshot(start, heard, client):
    async with start():
        await until(lambda: heard.of("BTC_USD"))
        await publish_table(client, {"version": 9, "pairs": {}})

        deadline = time.monotonic() + DEADLINE
        while await client.hexists(c.key_quotes(), "BTC_USD"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


async def test_sequence_numbers_only_rise_within_an_epoch(start, heard):
    async with start():
        await until(lambda: len(heard.of("BTC_USD")) > 5)
    numbers = [m.seq for m in heard.messages if m.flag != ALIVE]
    assert numbers == sorted(set(numbers))
