"""Quotes as the feed leaves them in Valkey, for tests without a feed."""

from __future__ import annotations

import json
from typing import Any

from foundation import valkey
from live.messages import NORMAL, Message
from rates import constants as c


def message(code="BTC_USD", *, seq=1, epoch=5, position=0, buy="84781.70", **meta) -> Message:
    data = (
        '{"original":{"buy":84359.90,"sell":84359.80},'
        f'"withSpread":{{"buy":{buy},"sell":83938.00}},'
        '"currentSpread":{"buy":421.80,"sell":-421.80}}'
    )
    facts = {"seq": seq, "epoch": epoch, "state": "live", "reason": None, "spread_version": 17}
    facts |= {"received": 1_790_000_000_000, "decimals": 2, "position": position} | meta
    text = json.dumps(facts, separators=(",", ":")).encode()
    return Message(NORMAL, epoch, seq, code, data.encode(), text)


def publish(*messages: Message, state="live", reason="", age=0.0) -> None:
    """Put the messages where the feed puts them; its last sign of life was ``age`` seconds ago."""
    seconds, microseconds = valkey.client().time()
    for item in messages:
        valkey.client().hset(c.key_quotes(), item.key, item.encode())
        valkey.client().publish(c.channel_quotes(), item.encode())
    beat = f"{seconds + microseconds / 1e6 - age:.6f}"
    feed: dict[Any, Any] = {
        "state": state,
        "reason": reason,
        "beat": beat,
        "source": "kraken",
        "epoch": 5,
    }
    valkey.client().hset(c.KEY_FEED, mapping=feed)


def state_message(state="live", reason=None, *, seq=1, epoch=5) -> Message:
    data = json.dumps({"state": state, "reason": reason, "since": 1}).encode()
    return Message(NORMAL, epoch, seq, "*", data, b"{}")
