"""Hearing of new heads by websocket, and what the threads of a follower tell each other."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from foundation.evm import heads
from foundation.evm.blocks import Header
from foundation.evm.node import NodeError

logger = structlog.get_logger(__name__)

# Seconds without any answer, after which a chain is down; also how long a head may wait.
PATIENCE: Final = 5.0
LONGEST_PAUSE: Final = 5.0


@dataclass
class Pulse:
    """What the threads tell each other. Plain attributes: each has one writer at a time."""

    answered_at: float = field(default_factory=time.monotonic)
    listening: bool = False
    epoch: int = 1
    number: int = 0

    def answered(self) -> None:
        self.answered_at = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether anything was heard of the node lately. A connection that is open was heard of:
        it is pinged."""
        return self.listening or time.monotonic() - self.answered_at < PATIENCE


class Ears:
    """Passes announced heads to ``hear``; a connection that fell silent is made anew."""

    def __init__(
        self, url: str, hear: Callable[[Header | None], None], pulse: Pulse, *, silence: float
    ) -> None:
        self._url, self._hear, self._pulse, self._silence = url, hear, pulse, silence
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._closed = threading.Event()

    def run(self) -> None:
        try:
            self._task = self._loop.create_task(self._listen())
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            if not self._closed.is_set():
                raise
        finally:
            self._loop.close()

    def close(self) -> None:
        self._closed.set()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _listen(self) -> None:
        pause = 0.0
        while not self._closed.is_set():
            begun = time.monotonic()
            try:
                await self._hear_out()
            except (NodeError, TimeoutError) as problem:
                logger.info("announcements ended", error=str(problem) or "silence")
            finally:
                self._pulse.listening = False
            if time.monotonic() - begun > LONGEST_PAUSE:
                pause = 0.0
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(max(pause * 2, 0.5), LONGEST_PAUSE)

    async def _hear_out(self) -> None:
        heard = heads.new_heads(self._url, on_subscribed=self._subscribed)
        try:
            while True:
                async with asyncio.timeout(self._silence):
                    header = await anext(heard)
                self._hear(header)
        finally:
            await heard.aclose()

    def _subscribed(self) -> None:
        """Heads from here on are told; what came before is looked for now."""
        self._pulse.listening = True
        self._hear(None)


@contextmanager
def running(target: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end()
        thread.join(timeout=5)
