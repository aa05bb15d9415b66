"""The simulated exchange: who listens to what, what mode it is in, and the clock that moves it."""

from __future__ import annotations

import asyncio
import enum
import itertools
import json
import random
import time
from typing import Any

from demo.simulators import frames
from demo.simulators.market import Market, Step

BURST_RATE = 2000
BURST_SECONDS = 3.0
HEARTBEAT_EVERY = 1.0
SHORTEST_BEAT = 0.005
# A clock that was held up catches up on this much and forgets the rest.
LONGEST_BEAT = 0.25
HOUR = 3600.0


class Mode(enum.StrEnum):
    """What the exchange is up to."""

    NORMAL = "normal"
    FREEZE = "freeze"  # sockets stay open and nothing at all is sent
    SILENT = "silent"  # heartbeats, but no pair moves
    CLOSE = "close"  # every socket is closed with 1001 and none is accepted
    GARBAGE = "garbage"  # malformed frames between the ticks
    MAINTENANCE = "maintenance"  # says so, and no pair moves
    BURST = "burst"  # 2,000 ticks a second for three seconds, then normal


MOVING = frozenset({Mode.NORMAL, Mode.GARBAGE, Mode.BURST})


class Session:
    """One socket: its subscriptions and the frames waiting to be sent on it."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, str] = {}
        self.outgoing: asyncio.Queue[str | bytes | None] = asyncio.Queue(maxsize=20_000)
        self.last_sent = time.monotonic()

    def send(self, frame: str | bytes | None) -> None:
        """Queue ``frame``; ``None`` closes. A reader that is 20,000 frames behind is dropped."""
        self.last_sent = time.monotonic()
        if self.outgoing.full():
            while not self.outgoing.empty():
                self.outgoing.get_nowait()
            frame = None
        self.outgoing.put_nowait(frame)

    def wants(self, step: Step) -> bool:
        trigger = self.subscriptions.get(step.book.pair.symbol)
        return (trigger == "bbo" and step.moved) or (trigger == "trades" and step.traded)


class Venue:
    """``run`` moves the market for ever; the rest reacts to sockets and the control API."""

    def __init__(self, *, rate: float, seed: int) -> None:
        self.rate = rate
        self.market = Market(seed)
        self.mode = Mode.NORMAL
        self.sessions: set[Session] = set()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.ticks = 0
        self._burst_ends = 0.0
        self._garbage = itertools.cycle(frames.GARBAGE)
        self._dice = random.Random(seed)

    # --- Control ------------------------------------------------------------------------------

    def enter(self, mode: Mode) -> None:
        was, self.mode = self.mode, mode
        if mode is Mode.FREEZE:
            self.flowing.clear()
        else:
            self.flowing.set()
        if mode is Mode.BURST:
            self._burst_ends = time.monotonic() + BURST_SECONDS
        if mode is Mode.CLOSE:
            self.broadcast(None)
        if Mode.MAINTENANCE in (was, mode) and was is not mode:
            self.broadcast(frames.status(self.system))

    def restart(self, seed: int) -> None:
        """Begin the walk again from the listed prices."""
        self.market, self._dice = Market(seed), random.Random(seed)

    @property
    def system(self) -> str:
        return "maintenance" if self.mode is Mode.MAINTENANCE else "online"

    def broadcast(self, frame: str | bytes | None) -> int:
        for session in self.sessions:
            session.send(frame)
        return len(self.sessions)

    def state(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "rate": self.rate,
            "seed": self.market.seed,
            "clients": len(self.sessions),
            "subscriptions": sum(len(session.subscriptions) for session in self.sessions),
            "ticks": self.ticks,
            "prices": {
                symbol: {"bid": f"{book.bid:f}", "ask": f"{book.ask:f}"}
                for symbol, book in self.market.books.items()
            },
        }

    # --- The clock ----------------------------------------------------------------------------

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._move())
            group.create_task(self._beat())
            group.create_task(self._roll())

    async def _move(self) -> None:
        owed, then = 0.0, time.monotonic()
        while True:
            rate = BURST_RATE if self.mode is Mode.BURST else self.rate
            await asyncio.sleep(max(SHORTEST_BEAT, min(LONGEST_BEAT, 1 / rate if rate else 1)))
            now = time.monotonic()
            owed, then = owed + min(now - then, LONGEST_BEAT) * rate, now
            if self.mode is Mode.BURST and now > self._burst_ends:
                self.enter(Mode.NORMAL)
            while owed >= 1:
                owed -= 1
                if self.mode in MOVING:
                    self.emit(self.market.step())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_EVERY / 4)
            if self.mode is Mode.FREEZE:
                continue
            due = time.monotonic() - HEARTBEAT_EVERY
            for session in self.sessions:
                if session.subscriptions and session.last_sent <= due:
                    session.send(frames.HEARTBEAT)

    async def _roll(self) -> None:
        while True:
            await asyncio.sleep(HOUR)
            self.market.roll_hour()

    def emit(self, step: Step) -> int:
        """Send a step to everyone who asked for it and return to how many."""
        self.ticks += 1
        listeners = [session for session in self.sessions if session.wants(step)]
        if listeners:
            frame = frames.ticker(step.book, "update")
            for session in listeners:
                session.send(frame)
        if self.mode is Mode.GARBAGE and self._dice.random() < 0.5:
            self.broadcast(next(self._garbage))
        return len(listeners)

    # --- What clients say ---------------------------------------------------------------------

    def greet(self) -> Session:
        session = Session()
        session.send(frames.status(self.system))
        self.sessions.add(session)
        return session

    def hear(self, session: Session, text: str) -> None:
        """Answer one message of a client, as the exchange would."""
        try:
            message = json.loads(text)
            method, req_id = message["method"], message.get("req_id")
            params = message.get("params", {})
            symbols = [str(symbol) for symbol in params.get("symbol", [])]
            trigger = params.get("event_trigger", "trades")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            session.send(frames.refused("", "Malformed request", None))
            return
        if method == "ping":
            session.send(frames.pong(req_id))
        elif method not in ("subscribe", "unsubscribe") or params.get("channel") != "ticker":
            session.send(frames.refused(str(method), "Unsupported method or channel", req_id))
        elif trigger not in ("bbo", "trades"):
            session.send(frames.refused(method, "Event trigger invalid", req_id))
        else:
            for symbol in symbols:
                self._change(session, method, symbol, params, req_id)

    def _change(
        self, session: Session, method: str, symbol: str, params: dict[str, Any], req_id: Any
    ) -> None:
        book = self.market.books.get(symbol)
        if book is None:
            problem = f"Currency pair not supported {symbol}"
            session.send(frames.refused(method, problem, req_id, symbol))
            return
        snapshot = params.get("snapshot", True) is not False
        session.send(frames.acknowledged(method, symbol, req_id, snapshot=snapshot))
        if method == "unsubscribe":
            session.subscriptions.pop(symbol, None)
            return
        session.subscriptions[symbol] = params.get("event_trigger", "trades")
        if snapshot:
            session.send(frames.ticker(book, "snapshot"))
