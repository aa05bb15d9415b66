"""Whatever happens in whatever order, in the end every client holds the last value of its keys."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation import valkey
from live.messages import NORMAL, PRIORITY, Message
from live.tests.conftest import Browser, Running, eventually, say

KEYS = "ABCD"
key = st.sampled_from(KEYS)
number = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("publish"), key, st.sampled_from([NORMAL, PRIORITY])),
    st.tuples(st.just("repeat"), key),
    st.tuples(st.just("connect"), number, st.sets(key)),
    st.tuples(st.just("widen"), number, key),
    st.tuples(st.just("resync"), number),
    st.tuples(st.just("new_leader")),
    st.tuples(st.just("cut")),
)


def message(name: str, place: tuple[int, int], flag: bytes = NORMAL) -> Message:
    return say(name, list(place), place[1], epoch=place[0], flag=flag)


class World:
    """A publisher and its clients, driven by steps that are named like its methods."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.numbers = itertools.count(1)
        self.leader = 1
        self.last: dict[str, tuple[int, int]] = {}
        self.browsers: dict[int, tuple[Browser, set[str] | None]] = {}

    def publish(self, name: str, flag: bytes) -> None:
        self.last[name] = (self.leader, next(self.numbers))
        self.running.publish(message(name, self.last[name], flag))

    def repeat(self, name: str) -> None:
        """A message comes twice, and another from a leader that does not know it was replaced."""
        epoch, seq = self.last.get(name, (0, 0))
        for late in ((epoch, seq), (epoch - 1, seq + 100)):
            valkey.client().publish(self.running.topic.channel, message(name, late).encode())

    def new_leader(self) -> None:
        self.leader += 1

    def cut(self) -> None:
        """The hub loses its connection to Valkey."""
        valkey.client().client_kill_filter(_type="pubsub")

    def connect(self, who: int, keys: set[str]) -> None:
        if who in self.browsers:
            self.browsers[who][0].socket.close()
        browser = self.running.open()
        chosen: dict[str, Any] = {"keys": sorted(keys)} if keys else {}
        browser.ask(op="subscribe", topic="tide:live", **chosen)
        self.browsers[who] = (browser, keys or None)

    def widen(self, who: int, name: str) -> None:
        if who in self.browsers:
            browser, keys = self.browsers[who]
            browser.ask(op="subscribe", topic="tide:live", keys=[name])
            self.browsers[who] = (browser, keys and keys | {name})

    def resync(self, who: int) -> None:
        if who in self.browsers:
            self.browsers[who][0].ask(op="resync", topic="tide:live")

    def settle(self) -> None:
        """Wait until the hub has heard all and passed on all."""
        fan = self.running.hub.fans["tide:live"]
        eventually(lambda: self.heard() == self.last and not fan.pending)

    def heard(self) -> dict[str, tuple[int, int]]:
        latest = self.running.hub.latest("tide:live")
        return {name: (m.epoch, m.seq) for name, m in tuple(latest.items())}

    def held(self, browser: Browser) -> dict[str, tuple[int, int]]:
        """What the client shows when it has read all that was sent before this question."""
        browser.ask(op="subscribe", topic="end")
        shown: dict[str, tuple[int, int]] = {}
        while True:
            frame = browser.next()
            if frame.get("error", {}).get("code") == "unknown_topic":
                return shown
            shown |= {name: tuple(place) for name, place in frame.get("data", {}).items()}

    def start_again(self) -> None:
        for browser, _ in self.browsers.values():
            browser.socket.close()
        self.browsers.clear()


def test_every_client_ends_with_the_last_value_of_its_keys(serve):
    world = World(serve(known_keys=lambda: KEYS))

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(st.lists(steps, max_size=25))
    def converges(script: list[tuple[Any, ...]]) -> None:
        world.start_again()
        for name, *details in script:
            getattr(world, name)(*details)
        world.settle()
        for browser, keys in world.browsers.values():
            wanted = world.last if keys is None else keys & set(world.last)
            assert world.held(browser) == {name: world.last[name] for name in wanted}

    converges()
