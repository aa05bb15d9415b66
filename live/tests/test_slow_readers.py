"""A reader that stops costs nothing, holds up nobody, and gets the newest when it reads again."""

from __future__ import annotations

import asyncio
import socket

import pytest

from config import serve as web
from live.board import Board, Event
from live.connections import Connection, Subscription
from live.fanout import CHUNK, Fan
from live.frames import for_websocket
from live.messages import PRIORITY
from live.metrics import Counters
from live.tests.conftest import DEADLINE, eventually, make_topic, say

PAGE = "x" * 20_000
ROUNDS = 400


def small_socket(running) -> socket.socket:
    """A connected socket whose kernel takes only a little that nobody reads."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    host, port = running.address.split(":")
    made.connect((host, int(port)))
    return made


def test_a_stopped_reader_skips_to_the_newest_and_others_miss_nothing(running):
    slow = running.open(sock=small_socket(running), max_queue=1)
    fast = running.open()
    slow.subscribe()
    fast.subscribe()
    for seq in range(1, ROUNDS + 1):
        running.publish(say("A", [seq, PAGE], seq))
        fast.until("A", [seq, PAGE])
    assert running.hub.counters.conflated > 0
    seen = [slow.next()["data"]["A"][0]]
    while seen[-1] != ROUNDS:
        seen.append(slow.next()["data"]["A"][0])
    assert len(seen) < ROUNDS / 4  # what was held for it: kernel buffers and one frame
    assert seen == sorted(seen)


def test_a_reader_that_stays_stopped_is_cut_off(monkeypatch, serve):
    monkeypatch.setattr(web, "USER_TIMEOUT_MS", 500)
    running = serve()
    slow = running.open(sock=small_socket(running), max_queue=1)
    slow.subscribe()
    for seq in range(1, 100):
        running.publish(say("A", [seq, PAGE], seq))
    eventually(lambda: not running.hub.connections)


@pytest.fixture
def fan():
    return Fan(Board(make_topic()), Counters(), window=0.0)


def reader(fan, received):
    """A subscribed client that notes what it was sent."""

    async def send(frame):
        received.append(frame["text"])

    connection = Connection(send, for_websocket, fan.counters)
    subscription = Subscription(connection, fan, None, 0.0)
    connection.subscriptions["tide:live"] = subscription
    fan.join(subscription)


async def until(check):
    """Let the loop turn, one round at a time, until ``check`` holds."""
    async with asyncio.timeout(DEADLINE):
        while not check():  # noqa: ASYNC110  # the order of single rounds is what is tested
            await asyncio.sleep(0)


async def test_an_urgent_change_overtakes_a_running_pass(fan):
    mailboxes: list[list[str]] = [[] for _ in range(CHUNK * 3)]
    for mailbox in mailboxes:
        reader(fan, mailbox)
    fan.hear(say("TICK", 1, 1))
    running = asyncio.create_task(fan.run())
    await until(lambda: any(mailboxes))
    late = [mailbox for mailbox in mailboxes if not mailbox]
    fan.hear(say("EDIT", 2, 2, flag=PRIORITY))
    await until(lambda: all(len(mailbox) == 2 for mailbox in mailboxes))
    running.cancel()
    assert len(late) == CHUNK * 2
    assert all("EDIT" in mailbox[0] and "TICK" in mailbox[1] for mailbox in late)


async def test_one_frame_serves_all_clients_that_lack_the_same(fan, monkeypatch):
    encoded = []
    original = fan.board.events

    def events(mask: int) -> list[Event]:
        encoded.append(mask)
        found: list[Event] = original(mask)
        return found

    monkeypatch.setattr(fan.board, "events", events)
    mailboxes: list[list[str]] = [[] for _ in range(CHUNK)]
    for mailbox in mailboxes:
        reader(fan, mailbox)
    fan.hear(say("A", 1, 1))
    running = asyncio.create_task(fan.run())
    await until(lambda: all(mailboxes))
    running.cancel()
    assert len(encoded) == 1


async def test_a_window_sends_a_burst_as_one(fan):
    fan.window = 0.2
    mailbox: list[str] = []
    reader(fan, mailbox)
    running = asyncio.create_task(fan.run())
    for seq in range(1, 50):
        fan.hear(say("A", seq, seq))
        await asyncio.sleep(0)
    await until(lambda: '"A":49' in mailbox[-1])
    running.cancel()
    assert len(mailbox) < 49


def test_a_throttled_client_gets_the_last_value(running):
    browser = running.open()
    browser.subscribe(throttle=300)
    for seq in range(1, 50):
        running.publish(say("A", seq, seq))
    browser.until("A", 49)
