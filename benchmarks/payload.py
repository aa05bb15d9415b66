"""Rates messages as the feed writes them, with a stamp that the load client finds by byte search.

The stamp is the one field a real message does not have. It is put in last, just before PUBLISH, by
overwriting a placeholder of the same length, so that stamping costs every contender the same.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any, Final, NamedTuple

import msgpack  # type: ignore[import-untyped]

from live.messages import NORMAL, PRIORITY, Message

EPOCH: Final = 1
# As long as "<19 digits of ns>.<2 digits of key>.<9 digits of seq>".
PLACEHOLDER: Final = "0000000000000000000.00.000000000"
SOCKETIO_EVENT: Final = 2


class Change(NamedTuple):
    """A tick or an edit of one pair, not yet stamped."""

    pair: int  # its number
    seq: int
    edit: bool


def pair_codes(count: int = 50) -> list[str]:
    return [f"C{index:02d}_USD" for index in range(count)]


class Market:
    """A seeded random walk over synthetic pairs, in the words of ``rates.services.feed.wire``."""

    def __init__(self, codes: list[str], *, seed: int) -> None:
        self.codes = codes
        self._random = random.Random(seed)
        self._middle = [self._random.uniform(1, 60_000) for _ in codes]
        self._versions = [1] * len(codes)

    def data_and_meta(self, change: Change) -> tuple[bytes, bytes]:
        if change.edit:
            self._versions[change.pair] += 1
        self._middle[change.pair] *= 1 + self._random.gauss(0, 0.0002)
        middle = self._middle[change.pair]
        ask, bid, offset = middle * 1.0002, middle * 0.9998, middle * 0.0025
        data = {
            "original": _sides(ask, bid),
            "withSpread": _sides(ask + offset, bid - offset),
            "currentSpread": _sides(offset, -offset),
        }
        return _compact(data), _compact(self._meta(change, middle))

    def _meta(self, change: Change, middle: float) -> dict[str, object]:
        now = time.time_ns() // 1_000_000
        return {
            "seq": change.seq,
            "epoch": EPOCH,
            "ts": now,
            "received": now,
            "age_ms": 0,
            "state": "live",
            "reason": "",
            "spread_unit": "bps",
            "spread_configured": {"buy": "25.000000000000", "sell": "-25.000000000000"},
            "spread_version": self._versions[change.pair],
            "clamped": False,
            "valid_until": now + 5000,
            "locked": False,
            "decimals": 2,
            "last": f"{middle:.2f}",
            "high": f"{middle * 1.02:.2f}",
            "low": f"{middle * 0.98:.2f}",
            "volume": f"{self._random.uniform(10, 9000):.8f}",
            "change_pct": f"{self._random.uniform(-5, 5):.2f}",
            "ed_ns" if change.edit else "tk_ns": PLACEHOLDER,
        }


def for_hub(code: str, change: Change, data: bytes, meta: bytes) -> bytes:
    """The message of ``live.messages``; the plain ``ws`` peers read the same one."""
    flag = PRIORITY if change.edit else NORMAL
    return Message(flag, EPOCH, change.seq, code, data, meta).encode()


def for_socketio(code: str, data: bytes, meta: bytes) -> bytes:
    """A packet as ``@socket.io/redis-emitter`` publishes it: to one room, by MessagePack."""
    event = {"data": {code: json.loads(data)}, "meta": {code: json.loads(meta)}}
    packet = {"type": SOCKETIO_EVENT, "data": ["rates:live", event], "nsp": "/"}
    options: dict[str, Any] = {"rooms": [code], "except": [], "flags": {}}
    packed: bytes = msgpack.packb(["bench", packet, options])
    return packed


def stamp(body: bytes, change: Change) -> tuple[bytes, int]:
    """``body`` with the present moment in its placeholder, and that moment in ns since 1970."""
    now = time.time_ns()
    mark = f"{now:019d}.{change.pair:02d}.{change.seq:09d}"
    return body.replace(PLACEHOLDER.encode(), mark.encode(), 1), now


def _sides(buy: float, sell: float) -> dict[str, float]:
    return {"buy": round(buy, 2), "sell": round(sell, 2)}


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
