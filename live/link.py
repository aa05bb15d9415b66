"""The one connection over which a process hears all topics, and how it survives Valkey's absence.

Subscribing comes before reading the snapshots, and is confirmed: read first and what is published
in between is lost. redis-py is kept from reconnecting by itself, since after each reconnect the
snapshots must be read again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from typing import Any

import redis.asyncio
import structlog
from django.conf import settings
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from live.control import CONTROL
from live.fanout import Fan
from live.messages import decode
from live.metrics import Counters
from live.topics import Read

logger = structlog.get_logger(__name__)

PING_EVERY = 1.0
# A link that answers nothing for so long is taken for half open.
SILENT_AFTER = 3.0
MAX_BACKOFF = 0.25
# Reading snapshots from elsewhere, after a reconnect all at once, must not crowd out requests.
READS_AT_ONCE = 4


class Link:
    """Feeds ``fans`` from Valkey until its ``run`` is cancelled; ``obey`` gets control messages."""

    def __init__(
        self, fans: Iterable[Fan], counters: Counters, obey: Callable[[bytes], None]
    ) -> None:
        self.by_channel = {fan.board.topic.channel.encode(): fan for fan in fans}
        self.counters = counters
        self.obey = obey
        self.connected = False
        self._heard_at = 0.0
        self._pubsub: PubSub | None = None
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._reads: set[asyncio.Task[None]] = set()

    async def add(self, fan: Fan) -> None:
        """Hear one more topic. What it holds comes when Valkey has confirmed, or is back."""
        channel = fan.board.topic.channel
        self.by_channel[channel.encode()] = fan
        if self._pubsub is None:
            self._read_soon(fan)
            return
        try:
            await self._pubsub.subscribe(channel)
        except (RedisError, OSError):
            # The session has found out too, and subscribes to everything when it is back.
            self._read_soon(fan)

    async def remove(self, fan: Fan) -> None:
        channel = fan.board.topic.channel
        self.by_channel.pop(channel.encode(), None)
        if self._pubsub is None:
            return
        with suppress(RedisError, OSError):
            await self._pubsub.unsubscribe(channel)

    async def run(self) -> None:
        while True:
            try:
                await self._session()
            except (RedisError, OSError) as error:
                if self.connected:
                    logger.warning("valkey_lost", error=str(error))
                    self.counters.reconnects += 1
            finally:
                self.connected, self._pubsub = False, None
            await asyncio.sleep(random.uniform(MAX_BACKOFF / 5, MAX_BACKOFF))

    async def _session(self) -> None:
        async with AsyncExitStack() as stack:
            client = redis.asyncio.Redis.from_url(
                settings.REDIS_URL,
                retry=Retry(NoBackoff(), 0),
                max_connections=2,
                socket_connect_timeout=1,
                socket_timeout=2,
            )
            stack.push_async_callback(client.aclose)
            pubsub = client.pubsub()
            stack.push_async_callback(pubsub.aclose)
            await self._subscribe(pubsub)
            self._pubsub = pubsub
            for fan in tuple(self.by_channel.values()):
                await self._load(client, fan)
            self.connected = True
            while True:
                await self._listen(client, pubsub)

    async def _subscribe(self, pubsub: PubSub) -> None:
        self._heard_at = time.monotonic()
        channels = (CONTROL, *self.by_channel)
        await pubsub.subscribe(*channels)
        missing = len(channels)
        while missing:
            message = await self._next(pubsub)
            if message is not None and message["type"] == "subscribe":
                missing -= 1
            elif message is not None:
                self._hear(message)

    async def _listen(self, client: redis.asyncio.Redis, pubsub: PubSub) -> None:
        message = await self._next(pubsub)
        if message is None:
            return
        fan = self.by_channel.get(message["channel"])
        if message["type"] == "subscribe":
            if fan is not None and not fan.board.loaded:
                await self._load(client, fan)
            return
        fan = self._hear(message)
        if fan is not None and fan.board.has_gap():
            await self._load(client, fan)

    async def _next(self, pubsub: PubSub) -> dict[str, Any] | None:
        """One message, or ``None`` after a quiet second, which asks Valkey for a sign of life.

        Raises ``TimeoutError`` when none came in time.
        """
        message: dict[str, Any] | None = await pubsub.get_message(timeout=PING_EVERY)
        now = time.monotonic()
        if message is not None:
            self._heard_at = now
            return message
        if now - self._heard_at > SILENT_AFTER:
            raise TimeoutError(f"Valkey said nothing for {SILENT_AFTER:g} s")
        await pubsub.ping()
        return None

    def _hear(self, message: dict[str, Any]) -> Fan | None:
        if message["channel"] == CONTROL and message["type"] == "message":
            self.obey(message["data"])
            return None
        fan = self.by_channel.get(message["channel"]) if message["type"] == "message" else None
        if fan is None:
            return None
        self.counters.messages += 1
        try:
            fan.hear(decode(message["data"]))
        except ValueError as error:
            self._report(fan, error)
        return fan

    async def _load(self, client: redis.asyncio.Redis, fan: Fan) -> None:
        """Apply the snapshot. What it lacks is kept: an emptied hash never erases."""
        if not isinstance(fan.board.topic.snapshot, str):
            self._read_soon(fan)
            return
        stored: Any = await client.hgetall(fan.board.topic.snapshot)
        for raw in stored.values():
            try:
                fan.load(decode(raw))
            except ValueError as error:
                self._report(fan, error)
        fan.board.first_values.set()

    def _read_soon(self, fan: Fan) -> None:
        """In a task, since a slow database must not hold up what other topics say."""
        if isinstance(fan.board.topic.snapshot, str):
            return
        task = asyncio.get_running_loop().create_task(self._read(fan, fan.board.topic.snapshot))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _read(self, fan: Fan, read: Read) -> None:
        try:
            async with self._reading:
                found = await read()
        except Exception:  # an app's mistake, or its database is away: the values that come count
            logger.exception("snapshot_failed", topic=fan.board.topic.name)
            return
        for message in found:
            fan.load(message)
        fan.board.first_values.set()

    def _report(self, fan: Fan, error: ValueError) -> None:
        self.counters.malformed += 1
        logger.warning("message_unreadable", topic=fan.board.topic.name, error=str(error))
