"""Writes a verdict as the bytes that browsers, the API and the snapshot share.

Prices stand in ``data`` as JSON numbers written from Decimal, at the tick's precision; a float
never touches them. Everything else stands in ``meta``, with amounts as strings.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from rates.constants import FEED_SILENCE, LIVE
from rates.feeds.source import Tick
from rates.services.feed.board import Verdict
from rates.services.feed.table import QuotedPair

NO_SIDES = '{"buy":null,"sell":null}'


def number(value: Decimal, decimals: int) -> str:
    """Plain notation with ``decimals`` places, or with all its digits where it has more."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # market_defect let only finite numbers through
    if -exponent <= decimals:
        return f"{value:.{decimals}f}"
    trimmed = f"{value:f}".rstrip("0")
    return trimmed if len(trimmed.split(".")[1]) > decimals else f"{value:.{decimals}f}"


def data(verdict: Verdict, tick: Tick | None, decimals: int) -> bytes:
    """The three objects of DESIGN section 6, and nothing else."""
    original = _sides(tick.ask, tick.bid, decimals) if tick else NO_SIDES
    priced = verdict.quote
    published = priced if verdict.state == LIVE else None
    shown = _sides(published.buy, published.sell, decimals) if published else "null"
    spread = _sides(priced.spread_buy, priced.spread_sell, decimals) if priced else NO_SIDES
    return f'{{"original":{original},"withSpread":{shown},"currentSpread":{spread}}}'.encode()


def meta(
    verdict: Verdict, pair: QuotedPair, tick: Tick | None, *, seq: int, epoch: int, wall_ms: int
) -> bytes:
    spread, priced = verdict.spread, verdict.quote
    received = milliseconds(tick.received_at) if tick else None
    facts: dict[str, object] = {
        "seq": seq,
        "epoch": epoch,
        "ts": milliseconds(tick.source_time) if tick and tick.source_time else None,
        "received": received,
        "age_ms": None if received is None else max(wall_ms - received, 0),
        "state": verdict.state,
        "reason": verdict.reason,
        "spread_unit": spread.unit if spread else None,
        "spread_configured": (
            {"buy": f"{spread.buy:f}", "sell": f"{spread.sell:f}"} if spread else None
        ),
        "spread_version": spread.version if spread else 0,
        "clamped": bool(priced and priced.clamped),
        "valid_until": wall_ms + int(FEED_SILENCE * 1000),
        "locked": bool(tick and tick.bid == tick.ask),
        "decimals": pair.decimals,
        "position": pair.position,
    }
    for name in ("last", "high", "low", "volume", "change_pct"):
        facts[name] = f"{getattr(tick, name):f}" if tick else None
    return compact(facts)


def raw(verdict: Verdict, tick: Tick, *, seq: int, epoch: int) -> bytes:
    """The last tick for services that need the market itself (the crossed check of an edit)."""
    names = ("bid", "ask", "last", "high", "low", "volume", "change_pct")
    facts: dict[str, object] = {name: f"{getattr(tick, name):f}" for name in names}
    facts |= {
        "received_at": tick.received_at.isoformat(),
        "source_time": tick.source_time.isoformat() if tick.source_time else None,
        "state": verdict.state,
        "reason": verdict.reason,
        "seq": seq,
        "epoch": epoch,
    }
    return compact(facts)


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, in integers: a float would drop digits."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def _sides(buy: Decimal, sell: Decimal, decimals: int) -> str:
    return f'{{"buy":{number(buy, decimals)},"sell":{number(sell, decimals)}}}'
