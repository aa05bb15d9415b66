"""New heads of a real node, and how soon a dead or frozen one is noticed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from contextlib import aclosing, asynccontextmanager

import httpx
import pytest
from websockets.asyncio.server import serve

from demo.pytest_anvil import binary
from demo.servers import free_port
from foundation.evm import blocks
from foundation.evm.heads import new_heads
from foundation.evm.node import NodeError
from foundation.tests.test_evm_blocks import over

DEADLINE = 20.0


def websocket(url):
    return url.replace("http", "ws", 1)


@asynccontextmanager
async def listening(url):
    """The iterator of heads, once it is subscribed."""
    subscribed = asyncio.Event()
    async with aclosing(new_heads(url, on_subscribed=subscribed.set)) as heads:
        first = asyncio.ensure_future(anext(heads))
        await asyncio.wait(
            [asyncio.ensure_future(subscribed.wait()), first],
            timeout=DEADLINE,
            return_when="FIRST_COMPLETED",
        )
        try:
            yield Listening(heads, first)
        finally:
            first.cancel()
            await asyncio.wait([first])


class Listening:
    def __init__(self, heads, first):
        self.heads, self.first = heads, first

    async def next(self):
        pending, self.first = self.first or anext(self.heads), None
        return await asyncio.wait_for(pending, DEADLINE)


async def ask(chain, method, *params):
    return await asyncio.to_thread(chain.ask, method, *params)


async def header(chain, number):
    found = await asyncio.to_thread(blocks.fetch_header, over(chain.url), number)
    assert found is not None
    return found


async def test_every_block_is_heard_once_and_in_order(anvil):
    async with listening(websocket(anvil.url)) as heads:
        await ask(anvil, "anvil_mine", "0x3")
        heard = [await heads.next() for _ in range(3)]
        assert [head.number for head in heard] == [1, 2, 3]
        assert heard[2] == await asyncio.to_thread(blocks.head, over(anvil.url))
        assert heard[2].parent_hash == heard[1].hash


async def test_a_reorg_is_heard_as_new_heads_with_other_parents(anvil):
    await ask(anvil, "anvil_mine", "0x3")
    # Empty blocks that take the place of empty ones may be the very same.
    for _ in range(2):
        await asyncio.to_thread(anvil.send, {"to": "0x" + "aa" * 20, "value": "0x1"})
    lost = await header(anvil, 4)
    async with listening(websocket(anvil.url)) as heads:
        await ask(anvil, "anvil_reorg", 2, [])
        heard = [await heads.next() for _ in range(2)]
        assert [head.number for head in heard] == [4, 5]
        assert heard[0].hash != lost.hash
        assert heard[0].parent_hash == lost.parent_hash


async def test_a_rollback_is_silent_and_shows_in_the_next_parent(anvil):
    await ask(anvil, "anvil_mine", "0x3")
    before = await header(anvil, 1)
    async with listening(websocket(anvil.url)) as heads:
        await ask(anvil, "anvil_rollback", 2)
        await ask(anvil, "anvil_mine", "0x1")
        heard = await heads.next()
        assert (heard.number, heard.parent_hash) == (2, before.hash)


@pytest.fixture
def own_node():
    """A node of the test's own, which it may stop and kill."""
    port = free_port()
    with subprocess.Popen([binary(), "--port", str(port), "--silent"]) as process:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + DEADLINE
        while True:
            try:
                httpx.post(url, json={"id": 1, "method": "eth_chainId"}, trust_env=False)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield url, process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_node_that_dies_or_stands_still_is_noticed(own_node, number):
    url, process = own_node
    async with listening(websocket(url)) as heads:
        process.send_signal(number)
        with pytest.raises(NodeError) as met:
            await heads.next()
        assert met.value.kind == "unavailable"


async def test_nobody_listening_is_unavailable():
    with pytest.raises(NodeError) as met:
        await anext(new_heads(f"ws://127.0.0.1:{free_port()}/secret"))
    assert met.value.kind == "unavailable"
    assert "secret" not in str(met.value)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "not a url"])
async def test_what_is_no_address_is_unavailable(url):
    with pytest.raises(NodeError):
        await anext(new_heads(url))


@asynccontextmanager
async def saying(*frames):
    async def answer(socket):
        await socket.recv()
        for frame in frames:
            await socket.send(frame)
        await socket.close()

    async with serve(answer, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


SUBSCRIBED = json.dumps({"jsonrpc": "2.0", "id": 1, "result": "0x5"})


def news(block, name="0x5"):
    return json.dumps(
        {"method": "eth_subscription", "params": {"subscription": name, "result": block}}
    )


BLOCK = {
    "number": "0x7",
    "hash": "0x" + "11" * 32,
    "parentHash": "0x" + "22" * 32,
    "timestamp": "0x65",
}


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        (["<html>"], "bad_answer"),
        ([json.dumps({"id": 1})], "bad_answer"),
        ([json.dumps({"id": 1, "error": {"code": -32601, "message": "no"}})], "no_method"),
        ([], "unavailable"),
        ([SUBSCRIBED], "unavailable"),
        ([SUBSCRIBED, "{"], "bad_answer"),
        ([SUBSCRIBED, news({**BLOCK, "hash": "0x12"})], "bad_answer"),
        ([SUBSCRIBED, news(None)], "bad_answer"),
    ],
)
async def test_garbage_ends_the_subscription(frames, kind):
    async with saying(*frames) as url:
        with pytest.raises(NodeError) as met:
            await anext(new_heads(url))
    assert met.value.kind == kind


async def test_news_of_other_subscriptions_are_left_out():
    async with saying(SUBSCRIBED, news(BLOCK, "0x9"), "7", news(BLOCK)) as url:
        heard = await anext(new_heads(url))
    assert (heard.number, heard.ts) == (7, 101)
