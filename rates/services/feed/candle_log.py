"""Candles on their way to the database: nothing of a minute is lost when a process or Valkey is.

Finished parts go to a stream that the worker reads; unfinished ones are put beside it each second,
so that a feed that takes over finishes what its predecessor began. The store tells a repeated part
from a second one, hence everything here may be said twice.
"""

from __future__ import annotations

import json
from collections import deque
from datetime import datetime

import redis.asyncio

from rates.constants import KEY_CLOSED_CANDLES, KEY_OPEN_CANDLES
from rates.feeds.source import Tick
from rates.services.candles import CandleBuilder, CandlePart
from rates.services.feed.outbox import Command

# Minutes of all pairs that are said again after Valkey was away.
REMEMBERED = 60 * 30
STREAM_LENGTH = 10_000


class CandleLog:
    def __init__(self) -> None:
        self._builder = CandleBuilder()
        self._ticks = 0
        self._waiting: list[CandlePart] = []
        self._told: deque[CandlePart] = deque(maxlen=REMEMBERED)

    def add(self, code: str, tick: Tick, *, epoch: int, spread_version: int) -> None:
        self._ticks += 1
        self._waiting += self._builder.add(
            code,
            tick.bid,
            tick.ask,
            tick.received_at,
            seq=self._ticks,
            epoch=epoch,
            spread_version=spread_version,
        )

    def commands(self, now: datetime) -> list[Command]:
        """Writes for every finished part; call ``written`` with their number once they stand."""
        self._waiting += self._builder.close_before(now)
        return [_append(part) for part in self._waiting]

    def open_commands(self) -> list[Command]:
        """Writes that replace what is known of the unfinished minutes."""
        words = [
            word
            for part in self._builder.open_parts()
            for word in (f"{part.pair}:{part.epoch}", json.dumps(part.encode()))
        ]
        replace: list[Command] = [("DEL", KEY_OPEN_CANDLES)]
        return [*replace, ("HSET", KEY_OPEN_CANDLES, *words)] if words else replace

    def written(self, count: int) -> None:
        self._told.extend(self._waiting[:count])
        del self._waiting[:count]

    def repeat(self) -> None:
        """Valkey may have forgotten: say the remembered parts again."""
        self._waiting = [*self._told, *self._waiting]
        self._told.clear()

    def close_all(self) -> list[Command]:
        """Writes that finish everything, for a feed that is about to leave."""
        parts = [*self._waiting, *self._builder.open_parts()]
        return [*(_append(part) for part in parts), ("DEL", KEY_OPEN_CANDLES)]

    async def inherit(self, client: redis.asyncio.Redis) -> list[Command]:
        """Writes that finish what the predecessor left open. Our own minutes begin now.

        What an earlier lead of ours had begun is said too: an emptied Valkey has forgotten it.
        """
        self._waiting += self._builder.open_parts()
        self._builder = CandleBuilder()
        left = await client.hgetall(KEY_OPEN_CANDLES)
        parts = [CandlePart.decode(json.loads(value)) for value in left.values()]
        return [*(_append(part) for part in parts), ("DEL", KEY_OPEN_CANDLES)]


def _append(part: CandlePart) -> Command:
    words = [word for item in part.encode().items() for word in item]
    return ("XADD", KEY_CLOSED_CANDLES, "MAXLEN", "~", STREAM_LENGTH, "*", *words)
