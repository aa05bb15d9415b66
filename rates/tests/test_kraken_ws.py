"""The client against a simulated exchange over a real socket."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from websockets.asyncio.server import serve

from rates.feeds import kraken_frames as frames
from rates.feeds.dialing import Dialling
from rates.feeds.kraken_ws import KrakenWS
from rates.feeds.source import (
    ConnectionChanged,
    SymbolAccepted,
    SymbolRefused,
    Tick,
    VenueStatus,
)

DEADLINE = 15
PAIRS = ["BTC/USD", "ETH/USD"]


class Listener:
    """Collects what a source yields and waits for what a test expects."""

    def __init__(self, source):
        self.source, self.seen, self._news = source, [], asyncio.Event()

    async def run(self, symbols):
        async for event in self.source.events(symbols):
            self.seen.append(event)
            self._news.set()

    async def until(self, expected):
        """The first unseen event for which ``expected(event)``; earlier ones are forgotten."""
        async with asyncio.timeout(DEADLINE):
            while True:
                while self.seen:
                    event = self.seen.pop(0)
                    if expected(event):
                        return event
                self._news.clear()
                await self._news.wait()

    async def count(self, name, at_least=1):
        async with asyncio.timeout(DEADLINE):
            while self.source.counters()[name] < at_least:  # noqa: ASYNC110 - counters tell nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(source, symbols=PAIRS):
    listener = Listener(source)
    task = asyncio.create_task(listener.run(symbols))
    # Lets the task begin, so that a test may change the subscription at once.
    await asyncio.sleep(0)
    try:
        yield listener
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def source(url, *, silence=5.0, **dialling):
    return KrakenWS(
        url, silence=silence, dialling=Dialling(**{"cap": 0.2, "base": 0.05} | dialling)
    )


def is_a(kind, **fields):
    return lambda event: (
        isinstance(event, kind)
        and all(getattr(event, name) == value for name, value in fields.items())
    )


def a_tick(**fields):
    return is_a(Tick, **fields)


@pytest.fixture
def quiet(simulator):
    """An exchange that says only what a test makes it say, and its heartbeats."""
    simulator.set(mode="silent")
    return simulator


async def test_it_connects_subscribes_and_yields_snapshots_then_updates(simulator):
    async with listening(source(simulator.ws_url)) as listener:
        assert await listener.until(is_a(ConnectionChanged)) == ConnectionChanged(True, "connected")
        assert await listener.until(is_a(VenueStatus)) == VenueStatus("online")
        assert await listener.until(is_a(SymbolAccepted)) == SymbolAccepted("BTC/USD")
        assert (await listener.until(a_tick(symbol="ETH/USD"))).snapshot
        assert (await listener.until(a_tick(snapshot=False))).bid > 0


async def test_prices_keep_their_last_zero(quiet):
    async with listening(source(quiet.ws_url)) as listener:
        await listener.until(a_tick(symbol="ETH/USD", snapshot=True))
        quiet.tick("BTC/USD", "84359.80", "84359.90")
        tick = await listener.until(a_tick(snapshot=False))
    assert (str(tick.bid), str(tick.ask)) == ("84359.80", "84359.90")


async def test_an_absurd_price_is_passed_on_for_others_to_judge(quiet):
    async with listening(source(quiet.ws_url)) as listener:
        await listener.until(a_tick(symbol="ETH/USD", snapshot=True))
        quiet.tick("BTC/USD", "84360", "0")
        tick = await listener.until(a_tick(snapshot=False))
    assert (tick.bid, tick.ask) == (84360, 0)


async def test_one_refused_symbol_leaves_the_others_alone(simulator):
    async with listening(source(simulator.ws_url), ["XBT/USD", "BTC/USD"]) as listener:
        refused = await listener.until(is_a(SymbolRefused))
        assert refused == SymbolRefused("XBT/USD", "Currency pair not supported XBT/USD")
        await listener.until(a_tick(symbol="BTC/USD", snapshot=False))


async def test_heartbeats_keep_a_silent_market_connected(quiet):
    async with listening(source(quiet.ws_url, silence=2.5)) as listener:
        # A status and two acks and snapshots come first; the rest are heartbeats.
        await listener.count("frames", at_least=8)
        assert is_a(ConnectionChanged, live=False) not in listener.seen
        assert listener.source.counters()["dials"] == 1


async def test_a_frozen_exchange_is_noticed_and_dialled_again(simulator):
    async with listening(source(simulator.ws_url, silence=0.5)) as listener:
        await listener.until(a_tick())
        simulator.set(mode="freeze")
        lost = await listener.until(is_a(ConnectionChanged, live=False))
        assert lost.reason == "silent"
        simulator.set(mode="normal")
        await listener.until(is_a(ConnectionChanged, live=True))
        assert (await listener.until(a_tick())).snapshot


async def test_a_frozen_exchange_that_accepts_sockets_never_counts_as_live(simulator):
    simulator.set(mode="freeze")
    async with listening(source(simulator.ws_url, silence=0.2)) as listener:
        await listener.count("dials", at_least=3)
        assert all(event == ConnectionChanged(False, "silent") for event in listener.seen)


async def test_a_closed_socket_is_dialled_until_the_exchange_is_back(simulator):
    async with listening(source(simulator.ws_url)) as listener:
        await listener.until(a_tick())
        simulator.set(mode="close")
        lost = await listener.until(is_a(ConnectionChanged, live=False))
        assert lost.reason == "closed 1001"
        refused = await listener.until(is_a(ConnectionChanged, live=False))
        assert refused.reason == "refused with status 403"
        simulator.set(mode="normal")
        await listener.until(a_tick(symbol="ETH/USD", snapshot=True))
        assert listener.source.counters()["reconnects"] >= 2


async def test_an_exchange_that_is_not_there_is_dialled_again(unused_port):
    async with listening(source(f"ws://127.0.0.1:{unused_port}/v2")) as listener:
        lost = await listener.until(is_a(ConnectionChanged))
        assert lost == ConnectionChanged(False, "unreachable: ConnectionRefusedError")
        await listener.count("dials", at_least=3)


async def test_garbage_is_counted_and_ticks_go_on(simulator):
    simulator.set(mode="garbage", rate=200)
    async with listening(source(simulator.ws_url)) as listener:
        await listener.count("bad_frames", at_least=25)
        await listener.until(a_tick(snapshot=False))
        assert listener.source.counters()["dials"] == 1


async def test_a_frame_beyond_all_measure_costs_the_connection_and_nothing_more(quiet):
    async with listening(source(quiet.ws_url)) as listener:
        await listener.until(a_tick(symbol="ETH/USD"))
        quiet.send("x" * 1_100_000)
        assert not (await listener.until(is_a(ConnectionChanged))).live
        await listener.until(a_tick(symbol="ETH/USD", snapshot=True))


async def test_maintenance_and_its_end_are_reported(simulator):
    async with listening(source(simulator.ws_url)) as listener:
        await listener.until(a_tick())
        simulator.set(mode="maintenance")
        await listener.until(is_a(VenueStatus, system="maintenance"))
        simulator.set(mode="normal")
        await listener.until(is_a(VenueStatus, system="online"))
        await listener.until(a_tick())


async def test_a_burst_arrives_whole(simulator):
    async with listening(source(simulator.ws_url)) as listener:
        await listener.until(a_tick())
        simulator.set(mode="burst")
        await listener.count("frames", at_least=1000)
        assert listener.source.counters()["bad_frames"] == 0


async def test_being_told_to_slow_down_ends_the_connection(quiet):
    async with listening(source(quiet.ws_url)) as listener:
        await listener.until(a_tick())
        quiet.send('{"Error":"Exceeded msg rate"}')
        lost = await listener.until(is_a(ConnectionChanged, live=False))
        assert lost.reason == "too many messages"
        await listener.until(is_a(ConnectionChanged, live=True))


async def test_a_changed_subscription_uses_the_open_socket(quiet):
    async with listening(source(quiet.ws_url)) as listener:
        await listener.until(a_tick(symbol="ETH/USD"))
        await listener.source.resubscribe(["ETH/USD", "SOL/USD"])
        assert (await listener.until(a_tick(symbol="SOL/USD"))).snapshot
        quiet.wait_until(lambda state: state["subscriptions"] == 2)
        assert quiet.tick("BTC/USD", "1", "2") == 0
        assert listener.source.counters()["dials"] == 1


async def test_without_symbols_nothing_is_dialled_until_there_are_some(simulator):
    async with listening(source(simulator.ws_url), []) as listener:
        await listener.source.resubscribe(["BTC/USD"])
        await listener.until(a_tick(symbol="BTC/USD"))
        assert listener.source.counters()["dials"] == 1


async def test_renewing_a_symbol_brings_a_new_snapshot(quiet):
    async with listening(source(quiet.ws_url)) as listener:
        await listener.until(a_tick(symbol="ETH/USD"))
        await listener.source.renew(["ETH/USD", "never/asked"])
        assert (await listener.until(a_tick())).snapshot


async def test_the_dial_budget_holds(simulator):
    simulator.set(mode="close")
    async with listening(source(simulator.ws_url, budget=3, window=3600, cap=0.001)) as listener:
        for _ in range(3):
            await listener.until(is_a(ConnectionChanged, live=False))
        assert listener.source.dialling.wait() > 3000
        assert listener.source.counters()["dials"] == 3


async def test_all_symbols_are_asked_for_in_one_message():
    asked = asyncio.get_running_loop().create_future()

    async def exchange(socket):
        asked.set_result(json.loads(await socket.recv()))
        await socket.wait_closed()

    async with serve(exchange, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with listening(source(f"ws://127.0.0.1:{port}")):
            request = await asyncio.wait_for(asked, DEADLINE)
    assert request["params"] == {
        "channel": "ticker",
        "symbol": PAIRS,
        "event_trigger": "bbo",
        "snapshot": True,
    }


# --- Order, without a socket -------------------------------------------------------------------

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def tick_at(seconds, *, snapshot=False, symbol="BTC/USD"):
    """A tick whose exchange time is ``seconds`` after noon, received at noon; ``None``: no time."""
    source_time = None if seconds is None else NOON + timedelta(seconds=seconds)
    one = Decimal(1)
    return Tick(symbol, one, one, one, one, one, one, one, 0.0, NOON, source_time, snapshot)


class Connections:
    """Feeds frames to a client as if they came on one connection after another."""

    def __init__(self):
        self.client = source("ws://127.0.0.1:1")
        self.client._want(["BTC/USD"])
        self.newest = {}

    def reconnect(self):
        self.newest = {}

    def passes(self, *ticks):
        return [*self.client._understand(frames.Ticks(ticks), self.newest)] == [*ticks]


def test_a_tick_older_than_the_last_is_dropped_and_counted():
    connection = Connections()
    assert connection.passes(tick_at(1, snapshot=True), tick_at(3))
    assert not connection.passes(tick_at(2))
    assert connection.client.counters()["out_of_order"] == 1


def test_a_tick_of_the_same_moment_or_without_a_time_passes():
    connection = Connections()
    assert connection.passes(tick_at(3), tick_at(3), tick_at(None))


def test_a_snapshot_of_another_server_may_lag_by_a_minute():
    connection = Connections()
    assert connection.passes(tick_at(30))
    connection.reconnect()
    assert connection.passes(tick_at(-30, snapshot=True), tick_at(-29))
    assert not connection.passes(tick_at(-31, snapshot=True))


def test_a_quiet_pairs_old_snapshot_passes():
    assert Connections().passes(tick_at(-86_400, snapshot=True))


def test_a_time_from_the_far_future_does_not_block_its_pair():
    connection = Connections()
    assert connection.passes(tick_at(86_400), tick_at(1), tick_at(2))


def test_a_symbol_nobody_asked_for_is_dropped():
    assert not Connections().passes(tick_at(1, symbol="DOGE/USD"))
