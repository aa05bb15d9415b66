"""Turns "these pairs changed" into the commands that one write carries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from live import messages
from live.messages import Message
from rates import constants as c
from rates.feeds.source import PriceSource
from rates.services.feed import wire
from rates.services.feed.board import Board
from rates.services.feed.candle_log import CandleLog
from rates.services.feed.lease import Lease
from rates.services.feed.outbox import Command

# Stands among the changed pairs when the feed only wants to say that it lives.
SIGN_OF_LIFE: Final = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """One write: its commands, and what it proves once it has succeeded."""

    commands: list[Command]
    version: int
    candles: int


class Composer:
    """Numbers and renders messages. ``seq`` starts again with each epoch."""

    def __init__(
        self,
        *,
        board: Board,
        lease: Lease,
        candles: CandleLog,
        source: PriceSource,
        simulated: bool,
    ) -> None:
        self.board, self.lease, self.candles = board, lease, candles
        self.source, self.simulated = source, simulated
        self.since = now_ms()
        self._seq = 0
        self._applied = -1
        self._writes = self._write_us = 0

    def begin(self) -> None:
        """Valkey may hold nothing of ours: say everything again with the next writes."""
        self._applied = -1
        self.candles.repeat()

    def compose(self, dirty: Mapping[str, bytes]) -> Batch:
        """``dirty`` maps a pair's code, ``*`` or ``SIGN_OF_LIFE`` to its message flag."""
        commands: list[Command] = []
        candles = 0
        version = self.board.table.version
        for code, flag in sorted(dirty.items(), key=lambda item: item[1] != messages.PRIORITY):
            if code == SIGN_OF_LIFE:
                closed = self.candles.commands(datetime.now(UTC))
                candles = len(closed)
                commands += [*self._sign_of_life(), *closed, *self.candles.open_commands()]
            elif code == messages.TOPIC_STATE:
                commands += self._topic_state()
            elif code in self.board.table.pairs:
                commands += self._quote(code, flag)
            else:
                commands += [("HDEL", c.key_quotes(), code), ("HDEL", c.KEY_RAW, code)]
        if version != self._applied:
            commands.append(("HSET", c.KEY_FEED, "applied_v", version, "applied_at", now_ms()))
        return Batch(commands, version, candles)

    def written(self, batch: Batch, seconds: float) -> None:
        """``batch`` stands in Valkey; writing it took so long."""
        self._applied = batch.version
        self._writes += 1
        self._write_us += int(seconds * 1e6)
        self.candles.written(batch.candles)

    def _quote(self, code: str, flag: bytes) -> list[Command]:
        pair, tick, wall = self.board.table.pairs[code], self.board.markets[code].tick, now_ms()
        verdict = self.board.verdict(code, time.monotonic(), wall)
        self._seq += 1
        seq, epoch = self._seq, self.lease.epoch
        data = wire.data(verdict, tick, pair.decimals)
        meta = wire.meta(verdict, pair, tick, seq=seq, epoch=epoch, wall_ms=wall)
        commands = self._value(flag, code, data, meta)
        if tick is not None:
            raw = wire.raw(verdict, tick, seq=seq, epoch=epoch)
            commands.append(("HSET", c.KEY_RAW, code, raw))
        return commands

    def _topic_state(self) -> list[Command]:
        state, reason = self.board.source_state
        self._seq += 1
        facts = wire.compact({"state": state, "reason": reason, "since": self.since})
        return [
            *self._value(messages.PRIORITY, messages.TOPIC_STATE, facts, b"{}"),
            ("HSET", c.KEY_FEED, "state", state, "reason", reason or "", "since", self.since),
        ]

    def _value(self, flag: bytes, key: str, data: bytes, meta: bytes) -> list[Command]:
        message = Message(flag, self.lease.epoch, self._seq, key, data, meta).encode()
        return [
            ("HSET", c.key_quotes(), key, message),
            ("PUBLISH", c.channel_quotes(), message),
        ]

    def _sign_of_life(self) -> list[Command]:
        alive = Message(
            messages.ALIVE, self.lease.epoch, self._seq, messages.TOPIC_STATE, b"{}", b"{}"
        )
        facts: dict[str, str | int] = {
            "source": self.source.name,
            "simulated": int(self.simulated),
            "epoch": self.lease.epoch,
            "seq": self._seq,
            "writes": self._writes,
            "write_us": self._write_us,
            **self.source.counters(),
        }
        return [
            ("PUBLISH", c.channel_quotes(), alive.encode()),
            ("HSET", c.KEY_FEED, *(word for item in facts.items() for word in item)),
        ]


def now_ms() -> int:
    """Milliseconds since 1970, in integers."""
    return time.time_ns() // 1_000_000
