"""The one connection over which a process hears all topics, and how it survives Valkey's absence.

Subscribing comes before reading the snapshots, and is confirmed: read first and what is published
in between is lost. redis-py is kept from reconnecting by itself, since after each reconnect the
snapshots must be read again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import redis.asyncio
import structlog
from django.conf import settings
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from live.fanout import Fan
from live.messages import decode
from live.metrics import Counters

logger = structlog.get_logger(__name__)

PING_EVERY = 1.0
# A link that answers nothing for so long is taken for half open.
SILENT_AFTER = 3.0
MAX_BACKOFF = 0.25


class Link:
    """Feeds ``fans`` from Valkey until its ``run`` is cancelled."""

    def __init__(self, fans: Iterable[Fan], counters: Counters) -> None:
        self.by_channel = {fan.board.topic.channel.encode(): fan for fan in fans}
        self.counters = counters
        self.connected = False
        self._heard_at = 0.0

    async def run(self) -> None:
        while self.by_channel:
            try:
                await self._session()
            except (RedisError, OSError) as error:
                if self.connected:
                    logger.warning("valkey_lost", error=str(error))
                    self.counters.reconnects += 1
            finally:
                self.connected = False
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
            for fan in self.by_channel.values():
                await self._load(client, fan)
            self.connected = True
            while True:
                await self._listen(client, pubsub)

    async def _subscribe(self, pubsub: PubSub) -> None:
        self._heard_at = time.monotonic()
        await pubsub.subscribe(*self.by_channel)
        missing = len(self.by_channel)
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
        stored: Any = await client.hgetall(fan.board.topic.snapshot)
        for raw in stored.values():
            try:
                fan.load(decode(raw))
            except ValueError as error:
                self._report(fan, error)
        fan.board.loaded = True

    def _report(self, fan: Fan, error: ValueError) -> None:
        self.counters.malformed += 1
        logger.warning("message_unreadable", topic=fan.board.topic.name, error=str(error))
