"""Carries one topic's changes to its subscribers: passes over all of them, in chunks.

A pass encodes a frame once for each set of keys that somebody lacks. Urgent changes (a person waits
for them) go in a pass of their own, ahead of the next pass and between the chunks of a running one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

from live.board import ALL_KEYS, Board, positions
from live.connections import Burst, Subscription
from live.frames import Framer, Frames
from live.messages import PRIORITY, Message
from live.metrics import Counters

# Larger chunks keep urgent changes and new connections waiting (push.md section 3).
CHUNK = 128


# Frames of the running chunk by framer, mask and position.
Made = dict[tuple[Framer, int, str | None], Frames]


class Fan:
    """The subscribers of one board. ``window`` is the least time between passes, in seconds."""

    def __init__(self, board: Board, counters: Counters, window: float) -> None:
        self.board = board
        self.counters = counters
        self.window = window
        self.subscriptions: set[Subscription] = set()
        # Those who want every key, and by bit those who named some: most changes are of one key.
        self._want_all: set[Subscription] = set()
        self._want: dict[int, set[Subscription]] = {}
        self.changed = 0
        self.urgent = 0
        self.passing = 0
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> int:
        """What was changed and may not have been sent to everybody yet."""
        return self.changed | self.urgent | self.passing

    def position(self) -> str:
        """Where a client stands who has everything. A stale value has no place in the order."""
        return "" if self.board.silent else "{}:{}".format(*self.board.newest())

    def heartbeat(self, mask: int) -> str:
        """The part of a heartbeat's ``meta`` about this topic, for a client that wants ``mask``."""
        epoch, seq = self.board.newest(mask)
        name = json.dumps(self.board.topic.name)
        return f'{name}:{{"epoch":{epoch},"seq":{seq},"state":"{self.board.state}"}}'

    def known_keys(self) -> Collection[str]:
        """The keys that may be asked for; empty while nothing is known."""
        ask = self.board.topic.known_keys
        return self.board.values.keys() if ask is None else ask()

    def join(self, subscription: Subscription) -> None:
        self.subscriptions.add(subscription)
        self._file(subscription)

    def leave(self, subscription: Subscription) -> None:
        self.subscriptions.discard(subscription)
        self._unfile(subscription)

    def want(self, subscription: Subscription, wanted: frozenset[str] | None) -> None:
        """Let the subscription follow ``wanted`` from now on; ``None`` is every key."""
        joined = subscription in self.subscriptions
        if joined:
            self._unfile(subscription)
        subscription.want(wanted)
        if joined:
            self._file(subscription)

    def _file(self, subscription: Subscription) -> None:
        if subscription.mask == ALL_KEYS:
            self._want_all.add(subscription)
            return
        for index in positions(subscription.mask):
            self._want.setdefault(1 << index, set()).add(subscription)

    def _unfile(self, subscription: Subscription) -> None:
        self._want_all.discard(subscription)
        for index in positions(max(subscription.mask, 0)):
            self._want.get(1 << index, set()).discard(subscription)

    def _concerned(self, changed: int) -> tuple[Subscription, ...]:
        """Everybody who wants any of ``changed``, and perhaps others.

        Who owes keys from before is busy or resting, and settles that by itself.
        """
        if changed.bit_count() == 1:
            return (*self._want.get(changed, ()), *self._want_all)
        return tuple(self.subscriptions)

    def hear(self, message: Message) -> None:
        """Take a message of the publisher and see to it that the subscribers get it."""
        known = len(self.board.bits)
        changed = self.board.hear(message)
        self._mark(changed, urgent=message.flag == PRIORITY, new_key=len(self.board.bits) != known)

    def load(self, message: Message) -> None:
        """The same for what stood in the snapshot."""
        known = len(self.board.bits)
        self._mark(self.board.load(message), urgent=False, new_key=len(self.board.bits) != known)

    def check_silence(self) -> None:
        self._mark(self.board.check_silence(), urgent=False, new_key=False)

    def _mark(self, changed: int, *, urgent: bool, new_key: bool) -> None:
        if new_key:
            for subscription in self.subscriptions:
                self.want(subscription, subscription.wanted)
        if urgent:
            self.urgent |= changed
        else:
            self.changed |= changed
        if changed:
            self._wake.set()

    async def run(self) -> None:
        """Pass on changes until cancelled."""
        loop = asyncio.get_running_loop()
        next_pass = 0.0
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self.urgent:
                await self._pass_urgent()
            if not self.changed:
                continue
            rest = next_pass - loop.time()
            if rest > 0:
                self._timer = self._timer or loop.call_later(rest, self._window_over)
                continue
            next_pass = loop.time() + self.window
            await self._pass_normal()

    def _window_over(self) -> None:
        self._timer = None
        self._wake.set()

    async def _pass_urgent(self) -> None:
        urgent, self.urgent = self.urgent, 0
        frames: Made = {}
        burst = Burst(self.counters)
        written = 0
        for subscription in self._concerned(urgent):
            owed = subscription.mask & urgent
            connection = subscription.connection
            if not owed or connection.closed:
                continue
            if connection.busy is not None:
                subscription.dirty |= owed
                self.counters.conflated += 1
                continue
            burst.add(connection, self._frames(frames, connection.frame, owed, None))
            written += 1
            if written % CHUNK == 0:
                burst.flush()
                await asyncio.sleep(0)
                frames.clear()
        burst.flush()

    async def _pass_normal(self) -> None:
        changed, self.changed = self.changed, 0
        self.passing = changed
        position = self.position()
        frames: Made = {}
        burst = Burst(self.counters)
        written = 0
        for subscription in self._concerned(changed):
            owed = subscription.mask & changed | subscription.dirty
            connection = subscription.connection
            if not owed or connection.closed:
                continue
            if connection.busy is not None or subscription.resting:
                subscription.dirty |= owed
                self.counters.conflated += 1
                continue
            subscription.dirty = 0
            if subscription.throttle:
                subscription.rest()
            whole = position if len(connection.subscriptions) == 1 else None
            burst.add(connection, self._frames(frames, connection.frame, owed, whole))
            written += 1
            if written % CHUNK == 0:
                burst.flush()
                await asyncio.sleep(0)
                frames.clear()  # later chunks carry newer values
                if self.urgent:
                    await self._pass_urgent()
        burst.flush()
        self.passing = 0

    def _frames(
        self,
        made: Made,
        framer: Framer,
        mask: int,
        position: str | None,
    ) -> Frames:
        key = (framer, mask, position)
        if key not in made:
            made[key] = framer(self.board.events(mask), position)
        return made[key]
