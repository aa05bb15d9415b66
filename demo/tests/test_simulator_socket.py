"""The simulated exchange over its websocket, as a foreign client sees it."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from demo.simulators.frames import GARBAGE

DEADLINE = 15


class Client:
    def __init__(self, socket):
        self.socket = socket

    async def ask(self, method="subscribe", *symbols, req_id=1, **params):
        params = {"channel": "ticker", "symbol": list(symbols), "event_trigger": "bbo"} | params
        await self.socket.send(json.dumps({"method": method, "params": params, "req_id": req_id}))

    async def until(self, expected):
        """The first frame for which ``expected(frame)``; what is not JSON is passed over."""
        async with asyncio.timeout(DEADLINE):
            while True:
                raw = await self.socket.recv()
                try:
                    frame = json.loads(raw)
                except (ValueError, RecursionError):
                    continue
                if isinstance(frame, dict) and expected(frame):
                    return frame


@pytest.fixture
async def client(simulator):
    simulator.set(mode="silent")
    async with connect(simulator.ws_url) as socket:
        yield Client(socket)


def channel(name, kind=None):
    return lambda f: f.get("channel") == name and kind in (None, f.get("type"))


def answer(method="subscribe"):
    return lambda frame: frame.get("method") == method


async def test_it_speaks_first_and_says_its_status(client):
    frame = json.loads(await client.socket.recv())
    assert frame["channel"] == "status"
    assert frame["data"][0]["system"] == "online"
    assert frame["data"][0]["connection_id"] > 2**53


async def test_every_symbol_is_acknowledged_and_gets_a_snapshot(client):
    await client.ask("subscribe", "BTC/USD", "ETH/USD", req_id=42)
    for symbol in ("BTC/USD", "ETH/USD"):
        ack = await client.until(answer())
        assert (ack["success"], ack["req_id"]) == (True, 42)
        assert ack["result"] == {"channel": "ticker", "symbol": symbol, "snapshot": True}
        row = (await client.until(channel("ticker", "snapshot")))["data"][0]
        assert row["symbol"] == symbol


async def test_a_ticker_has_the_documented_fields(client):
    await client.ask("subscribe", "BTC/USD")
    row = (await client.until(channel("ticker")))["data"][0]
    documented = (
        "symbol bid bid_qty ask ask_qty last volume vwap low high change change_pct timestamp"
    )
    assert list(row) == documented.split()


async def test_the_old_name_of_bitcoin_is_refused(client):
    await client.ask("subscribe", "XBT/USD")
    refusal = await client.until(answer())
    assert refusal["success"] is False
    assert refusal["error"] == "Currency pair not supported XBT/USD"
    assert refusal["symbol"] == "XBT/USD"


async def test_without_a_snapshot_only_changes_come(client, simulator):
    await client.ask("subscribe", "BTC/USD", snapshot=False)
    await client.until(answer())
    simulator.tick("BTC/USD", "1.50", "2")
    assert (await client.until(channel("ticker")))["type"] == "update"


async def test_trades_alone_do_not_wake_those_who_asked_for_the_book(client, simulator):
    await client.ask("subscribe", "BTC/USD", event_trigger="trades")
    await client.until(answer())
    assert simulator.tick("BTC/USD", "1", "2") == 0
    simulator.set(mode="normal", rate=200)
    await client.until(channel("ticker", "update"))


async def test_after_the_end_of_a_subscription_nothing_comes(client, simulator):
    await client.ask("subscribe", "BTC/USD")
    await client.until(answer())
    await client.ask("unsubscribe", "BTC/USD")
    assert (await client.until(answer("unsubscribe")))["success"] is True
    assert simulator.tick("BTC/USD", "1", "2") == 0


async def test_a_quiet_subscription_gets_heartbeats(client):
    await client.ask("subscribe", "BTC/USD")
    await client.until(channel("heartbeat"))


async def test_a_ping_is_answered(client):
    await client.ask("ping", req_id=101)
    assert (await client.until(answer("pong")))["req_id"] == 101


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"method":[]}', "[" * 9000])
async def test_nonsense_is_refused_and_the_socket_stays(client, text):
    await client.socket.send(text)
    assert (await client.until(lambda f: f.get("success") is False))["error"]
    await client.ask("ping")
    await client.until(answer("pong"))


async def test_frozen_it_answers_nothing_until_it_thaws(client, simulator):
    await client.until(channel("status"))
    simulator.set(mode="freeze")
    await client.ask("subscribe", "BTC/USD")
    simulator.wait_until(lambda state: state["subscriptions"] == 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.socket.recv(), 0.3)
    simulator.set(mode="silent")
    await client.until(channel("ticker", "snapshot"))


async def test_closing_it_hangs_up_with_1001_and_refuses_new_sockets(client, simulator):
    simulator.set(mode="close")
    with pytest.raises(ConnectionClosed) as closed:
        await client.until(channel("never"))
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1001
    with pytest.raises(InvalidStatus):
        await connect(simulator.ws_url)


async def test_maintenance_is_announced_to_old_and_new_sockets(client, simulator):
    await client.until(channel("status"))
    simulator.set(mode="maintenance")
    assert (await client.until(channel("status")))["data"][0]["system"] == "maintenance"
    async with connect(simulator.ws_url) as socket:
        frame = await Client(socket).until(channel("status"))
    assert frame["data"][0]["system"] == "maintenance"


async def test_garbage_comes_between_good_ticks(client, simulator):
    await client.ask("subscribe", "BTC/USD")
    simulator.set(mode="garbage", rate=200)
    garbage = set(GARBAGE)
    async with asyncio.timeout(DEADLINE):
        while garbage:
            garbage.discard(await client.socket.recv())
    await client.until(channel("ticker", "update"))


async def test_a_burst_is_two_thousand_a_second_and_ends_by_itself(simulator):
    before = simulator.state()["ticks"]
    simulator.set(mode="burst")
    state = simulator.wait_until(lambda state: state["mode"] == "normal")
    assert state["ticks"] - before > 2000


async def test_another_path_is_refused(simulator):
    with pytest.raises(InvalidStatus):
        await connect(simulator.ws_url.replace("/v2", "/v1"))
