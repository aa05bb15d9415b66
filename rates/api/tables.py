"""Rates and candles as the rows of a table and as the objects of a document."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from rates.services.board import Entry
from rates.services.candle_series import Candle, Side

RATE_COLUMNS: Final = (
    "pair",
    "state",
    "buy",
    "sell",
    "original_buy",
    "original_sell",
    "spread_buy",
    "spread_sell",
    "last",
    "high",
    "low",
    "volume",
    "change_pct",
    "received",
)
CANDLE_COLUMNS: Final = (
    "start",
    *(f"{side}_{name}" for side in ("bid", "ask") for name in Side._fields),
    "ticks",
)


def rate_row(code: str, entry: Entry) -> dict[str, Any]:
    meta = entry.meta
    quoted = entry.data["withSpread"] or {}
    original, spread = entry.data["original"], entry.data["currentSpread"]
    sides = (quoted, original, spread)
    prices = [_plain(side.get(name)) for side in sides for name in ("buy", "sell")]
    market = (meta.get(name) for name in ("last", "high", "low", "volume", "change_pct"))
    values = (code, meta["state"], *prices, *market, _received(meta.get("received")))
    return dict(zip(RATE_COLUMNS, values, strict=True))


def candle_row(candle: Candle) -> dict[str, Any]:
    prices = [_plain(price) for price in (*candle.bid, *candle.ask)]
    values = (iso(candle.start), *prices, candle.ticks)
    return dict(zip(CANDLE_COLUMNS, values, strict=True))


def candle_object(candle: Candle) -> dict[str, Any]:
    """Amounts as strings, in plain notation: a JSON number would lose digits in most clients."""
    return {
        "start": iso(candle.start),
        "bid": _side(candle.bid),
        "ask": _side(candle.ask),
        "ticks": candle.ticks,
    }


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(price: Decimal | None) -> str | None:
    """Never ``1.2E-7``."""
    return None if price is None else f"{price:f}"


def _side(side: Side) -> dict[str, str]:
    return {name: f"{price:f}" for name, price in side._asdict().items()}


def _received(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(datetime.fromtimestamp(milliseconds / 1000, UTC))
