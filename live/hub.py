"""The push hub of one web process: hears every topic once and passes it on to all its clients.

``current()`` is the process's hub. Reading it costs no lock and is safe from any thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Protocol

import structlog
from django.conf import settings

from foundation.cancellation import cancel_and_wait
from live import control, topics
from live.board import Board, Event
from live.connections import Connection
from live.fanout import CHUNK, Fan
from live.frames import Frames
from live.limits import Seats
from live.link import Link
from live.messages import Message
from live.metrics import Counters, Figures, TopicFigures
from live.topics import Topic

logger = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 2.0
# A topic of a family is heard this much longer than anybody listens: pages are reloaded.
LINGER = 10.0
# A subscriber waits so long for the first values of such a topic, and then begins with none.
FIRST_VALUES = 2.0
# Clients beat in turns, so that thousands of heartbeats never stand in the way of one change.
TURNS = 20


class Expellable(Protocol):
    """A client whose user is known, so that somebody may order it away."""

    def is_meant(self, order: control.Order) -> bool: ...

    async def expel(self, topic: str) -> None: ...


@dataclass
class Opened:
    """A topic of a family that is heard: the task of its fan, and since when nobody listens."""

    running: asyncio.Task[None]
    idle_since: float = 0.0


class Hub:
    """``start`` and ``stop`` belong to the event loop of the web process."""

    def __init__(self, registered: Iterable[Topic]) -> None:
        self.counters = Counters()
        window = settings.LIVE_WINDOW_SECONDS
        self.fans = {topic.name: Fan(Board(topic), self.counters, window) for topic in registered}
        self.window = window
        self.link = Link(self.fans.values(), self.counters, self._obey)
        self.addresses = Seats(lambda: int(settings.LIVE_MAX_CONNECTIONS_PER_ADDRESS))
        self.users = Seats(lambda: int(settings.LIVE_MAX_CONNECTIONS_PER_USER))
        self.connections: dict[Connection, int] = {}
        self.known: set[Expellable] = set()
        self._opened: dict[str, Opened] = {}
        self._expelling: set[asyncio.Task[None]] = set()
        self._turn = cycle(range(TURNS))
        self._turns: list[set[Connection]] = [set() for _ in range(TURNS)]
        self._tasks: list[asyncio.Task[None]] = []

    # --- Reading -------------------------------------------------------------

    def latest(self, topic: str) -> Mapping[str, Message]:
        """Key to newest message, as published. Raises ``KeyError`` for an unknown topic."""
        return self.fans[topic].board.latest

    def state_message(self, topic: str) -> Message | None:
        """The topic's own state as last published."""
        return self.fans[topic].board.held.get("*")

    def version(self, topic: str) -> int:
        """A number that moves whenever anything about ``topic`` changes, its silence included."""
        return self.fans[topic].board.version

    def is_silent(self, topic: str) -> bool:
        """Whether the publisher is taken for dead, so that clients see the stale forms."""
        return self.fans[topic].board.silent

    @property
    def ready(self) -> bool:
        """Whether the snapshot of every topic that is always heard was read at least once."""
        always = (fan for name, fan in self.fans.items() if name not in self._opened)
        return all(fan.board.loaded for fan in always)

    def figures(self) -> Figures:
        now = time.monotonic()
        # Topics of families are as many as clients like, so they have no figures of their own.
        figures = [
            TopicFigures(name, len(fan.subscriptions), fan.board.dropped, now - fan.board.heard_at)
            for name, fan in self.fans.items()
            if name not in self._opened
        ]
        return Figures(len(self.connections), self.link.connected, self.counters, figures)

    # --- Topics of families --------------------------------------------------

    def topic(self, name: str) -> Topic | None:
        """The topic of that name, heard or not; ``None`` if there is none."""
        fan = self.fans.get(name)
        return fan.board.topic if fan is not None else topics.make(name)

    async def open(self, topic: Topic) -> Fan:
        """The fan of ``topic``, heard from now on and for as long as somebody listens."""
        fan = self.fans.get(topic.name)
        if fan is None:
            fan = self.fans[topic.name] = Fan(Board(topic), self.counters, self.window)
            loop = asyncio.get_running_loop()
            self._opened[topic.name] = Opened(loop.create_task(_keep_alive(fan.run)))
            await self.link.add(fan)
        if topic.name in self._opened:
            self._opened[topic.name].idle_since = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_VALUES):
                    await fan.board.first_values.wait()
        return fan

    async def _close_idle(self) -> None:
        now = time.monotonic()
        for name, opened in tuple(self._opened.items()):
            if self.fans[name].subscriptions:
                opened.idle_since = now
            elif now - opened.idle_since > LINGER:
                opened.running.cancel()
                del self._opened[name]
                await self.link.remove(self.fans.pop(name))

    # --- Orders --------------------------------------------------------------

    def _obey(self, raw: bytes) -> None:
        """Do what another process has ordered: end clients, or take a topic from them."""
        try:
            order = control.read(raw)
        except (ValueError, TypeError) as problem:
            self.counters.malformed += 1
            logger.warning("order_unreadable", error=str(problem))
            return
        for client in [client for client in self.known if client.is_meant(order)]:
            self.expel(client, order.topic)

    def expel(self, client: Expellable, topic: str = "") -> None:
        """Take ``topic`` from the client, or send it away, without waiting for it to read so."""
        task = asyncio.get_running_loop().create_task(client.expel(topic))
        self._expelling.add(task)
        task.add_done_callback(self._expelling.discard)

    # --- Living --------------------------------------------------------------

    def start(self) -> None:
        """Start hearing and passing on, in the running loop. Harmless when started already."""
        if self._tasks:
            return
        jobs = [self.link.run, self._beat, *(fan.run for fan in self.fans.values())]
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(_keep_alive(job)) for job in jobs]

    async def stop(self) -> None:
        self.drain()
        tasks = [*self._tasks, *(opened.running for opened in self._opened.values())]
        self._tasks = []
        await cancel_and_wait(tasks)

    def drain(self) -> None:
        """End every client: websockets are closed by the server, event streams by their door."""
        for connection in tuple(self.connections):
            connection.close()

    def admit(self, connection: Connection) -> None:
        turn = next(self._turn)
        self.connections[connection] = turn
        self._turns[turn].add(connection)

    def dismiss(self, connection: Connection) -> None:
        turn = self.connections.pop(connection, None)
        if turn is not None:
            self._turns[turn].discard(connection)

    async def _beat(self) -> None:
        """Look for silent publishers, and tell each client regularly what it should hold."""
        while True:
            await self._close_idle()
            for turn in self._turns:
                for fan in tuple(self.fans.values()):
                    fan.check_silence()
                await self._beat_turn(turn)
                await asyncio.sleep(HEARTBEAT_SECONDS / TURNS)

    async def _beat_turn(self, connections: set[Connection]) -> None:
        frames: dict[Any, Frames] = {}
        told = 0
        for connection in tuple(connections):
            if not connection.needs_heartbeat():
                continue
            # What the heartbeat promises must have been sent before it.
            connection.settle(pending=True)
            if connection.busy is None and not connection.closed:
                connection.write(self._heartbeat(frames, connection))
            connection.lively = False
            told += 1
            if told % CHUNK == 0:
                await asyncio.sleep(0)
                frames.clear()

    def _heartbeat(self, frames: dict[Any, Frames], to: Connection) -> Frames:
        wanted = tuple((s.fan, s.mask) for s in to.subscriptions.values())
        key = (to.frame, wanted)
        if key not in frames:
            meta = ",".join(fan.heartbeat(mask) for fan, mask in wanted)
            now = int(time.time() * 1000)
            text = f'{{"event":"heartbeat","data":{{"time":{now}}},"meta":{{{meta}}}}}'
            frames[key] = to.frame([Event("heartbeat", text)], None)
        return frames[key]


async def _keep_alive(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``job`` for ever. A mistake in it is reported and must not end the pushes."""
    while True:
        try:
            await job()
        except Exception:
            logger.exception("hub_job_failed", job=job.__qualname__)
        await asyncio.sleep(0.5)


_current: Hub | None = None


def current() -> Hub:
    """The process's hub, made of the registered topics when it is first asked for."""
    global _current
    if _current is None:
        _current = Hub(topics.registered().values())
    return _current


def install(hub: Hub | None) -> None:
    """Make ``hub`` the process's hub; ``None`` makes a new one when next asked for."""
    global _current
    _current = hub
