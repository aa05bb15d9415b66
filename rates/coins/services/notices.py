"""What a new list changed, told to whom it matters: ranks, prices, or moves of some size.

A subscriber chooses by the topic's keys: ``price`` for every change, ``rank`` for ranks only,
``price>1%`` for coins that moved so far since that key last named them, so that many small steps
are told as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from foundation import valkey
from live import publishing
from live.messages import NORMAL, Message
from live.topics import Topic
from rates.coins import constants as c
from rates.coins.services.coin_list import CoinList
from rates.coins.services.rendering import compact

# Coins that one notice names at most.
NAMED: Final = 50
EPOCH: Final = 1


def threshold_key(threshold: str) -> str:
    return f"price>{threshold}%"


KEYS: Final[frozenset[str]] = frozenset(
    {"price", "rank", *(threshold_key(step) for step in c.THRESHOLDS)}
)

TOPIC: Final = Topic(
    name=c.TOPIC,
    channel=c.CHANNEL,
    snapshot=c.KEY_NOTICES,
    state_event=c.STATE_EVENT,
    known_keys=lambda: KEYS,
)


def publish(before: CoinList | None, after: CoinList) -> list[Message]:
    """Tell every key that has something to tell; what was told. Raises ``RedisError``."""
    told = []
    if before is None or before.rank_hash != after.rank_hash:
        told.append(_message("rank", after, rank_changes(before, after)))
    if before is None or before.hash != after.hash:
        told.append(_message("price", after, price_changes(before, after)))
        told += _moves(after)
    if told:
        publishing.publish(valkey.client(), TOPIC, *told)
    return told


def rank_changes(before: CoinList | None, after: CoinList) -> list[dict[str, Any]]:
    was = {} if before is None else before.by_symbol()
    is_now = after.by_symbol()
    changes = [
        {"symbol": symbol, "from": was.get(symbol, {}).get("rank"), "to": row["rank"]}
        for symbol, row in is_now.items()
        if was.get(symbol, {}).get("rank") != row["rank"]
    ]
    gone = [{"symbol": s, "from": row["rank"], "to": None} for s, row in was.items()]
    return changes + [change for change in gone if change["symbol"] not in is_now]


def price_changes(before: CoinList | None, after: CoinList) -> list[dict[str, Any]]:
    was = {} if before is None else {row["symbol"]: row["price"] for row in before.rows}
    return [
        _move(row["symbol"], was.get(row["symbol"]), row["price"])
        for row in after.rows
        if was.get(row["symbol"]) != row["price"]
    ]


def _moves(after: CoinList) -> list[Message]:
    """A message for each threshold that some coin has passed since it was last named there."""
    raw = cast("list[bytes | None]", valkey.client().hmget(c.KEY_TOLD, list(c.THRESHOLDS)))
    told, kept = [], {}
    for threshold, text in zip(c.THRESHOLDS, raw, strict=True):
        base: dict[str, str] = {} if text is None else json.loads(text)
        found, base = moves(base, after, threshold)
        if found:
            told.append(_message(threshold_key(threshold), after, found))
        kept[threshold] = compact(base)
    valkey.client().hset(c.KEY_TOLD, mapping=cast("dict[Any, Any]", kept))
    return told


def moves(
    base: Mapping[str, str], after: CoinList, threshold: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The coins that moved by ``threshold`` per cent from ``base``, and the base from now on."""
    found, kept, step = [], {}, Decimal(threshold) / 100
    for row in after.rows:
        symbol, price = row["symbol"], row["price"]
        old = base.get(symbol, price)
        if old != price and abs(Decimal(price) - Decimal(old)) >= step * Decimal(old):
            found.append(_move(symbol, old, price))
            old = price
        kept[symbol] = old
    return found, kept


def _move(symbol: str, old: str | None, new: str) -> dict[str, Any]:
    change = None
    if old is not None:
        change = f"{(Decimal(new) / Decimal(old) - 1) * 100:.4f}"
    return {"symbol": symbol, "from": old, "to": new, "change_pct": change}


def facts(after: CoinList, changes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is told of ``changes``, of which the first ``NAMED`` are listed."""
    sizes = [abs(Decimal(item["change_pct"])) for item in changes if item.get("change_pct")]
    return {
        "hash": after.hash,
        "rank_hash": after.rank_hash,
        "as_of": after.as_of.isoformat().replace("+00:00", "Z"),
        "count": len(after.rows),
        "changed": len(changes),
        "changes": changes[:NAMED],
        "largest_move_pct": f"{max(sizes)}" if sizes else None,
    }


def _message(key: str, after: CoinList, changes: Sequence[dict[str, Any]]) -> Message:
    meta = {"seq": after.version, "epoch": EPOCH, "state": "live"}
    data = compact(facts(after, changes))
    return Message(NORMAL, EPOCH, after.version, key, data, compact(meta))
