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
# Symbol to rank and price; the field under which that of the last notice is kept.
Places = dict[str, tuple[int, str]]
LIST: Final = "list"
NOWHERE: Final = (None, None)


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


def publish(after: CoinList) -> list[Message]:
    """Tell every key that has something to tell; what was told. Raises ``RedisError``.

    What is new is new to subscribers: it is compared with the list that they were last told of, so
    that what changed while Valkey was away is told once it is back. Told twice is better than not.
    """
    client, names = valkey.client(), (LIST, *c.THRESHOLDS)
    raw = cast("list[bytes | None]", client.hmget(c.KEY_TOLD, list(names)))
    bases = {
        name: {} if text is None else json.loads(text)
        for name, text in zip(names, raw, strict=True)
    }
    was: Places = {symbol: (rank, price) for symbol, (rank, price) in bases[LIST].items()}
    is_now = places(after)
    if was == is_now:
        return []
    told, kept = [], {LIST: compact(is_now)}
    ranks, prices = rank_changes(was, after), price_changes(was, after)
    if ranks:
        told.append(_message("rank", after, ranks))
    told.append(_message("price", after, prices))
    for threshold in c.THRESHOLDS:
        found, base = moves(bases[threshold], after, threshold)
        if found:
            told.append(_message(threshold_key(threshold), after, found))
        kept[threshold] = compact(base)
    publishing.publish(client, TOPIC, *told)
    client.hset(c.KEY_TOLD, mapping=cast("dict[Any, Any]", kept))
    return told


def places(shown: CoinList | None) -> Places:
    return {} if shown is None else {r["symbol"]: (r["rank"], r["price"]) for r in shown.rows}


def rank_changes(was: Places, after: CoinList) -> list[dict[str, Any]]:
    is_now = places(after)
    changes = [
        {"symbol": symbol, "from": was.get(symbol, NOWHERE)[0], "to": rank}
        for symbol, (rank, _) in is_now.items()
        if was.get(symbol, NOWHERE)[0] != rank
    ]
    gone = [{"symbol": s, "from": rank, "to": None} for s, (rank, _) in was.items()]
    return changes + [change for change in gone if change["symbol"] not in is_now]


def price_changes(was: Places, after: CoinList) -> list[dict[str, Any]]:
    return [
        _move(symbol, was.get(symbol, NOWHERE)[1], price)
        for symbol, (_, price) in places(after).items()
        if was.get(symbol, NOWHERE)[1] != price
    ]


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
