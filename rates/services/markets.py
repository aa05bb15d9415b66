"""The market's last prices, as the feed left them in Valkey."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import structlog
from redis.exceptions import RedisError

from foundation import valkey
from rates.constants import KEY_RAW
from rates.services.quoting import market_defect

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Market:
    """The best bid and ask, in the quote currency, and when they were received (ISO 8601)."""

    bid: Decimal
    ask: Decimal
    received_at: str
    state: str


def last_market(code: str) -> Market | None:
    """The pair's last sound price; ``None`` before the first tick or while Valkey is down."""
    return last_markets([code]).get(code)


def last_markets(codes: list[str]) -> dict[str, Market]:
    """The last sound prices of ``codes``; pairs without one are left out."""
    if not codes:
        return {}
    try:
        rows = cast("list[bytes | None]", valkey.client().hmget(KEY_RAW, codes))
    except RedisError as problem:
        logger.warning("no market prices", error=str(problem))
        return {}
    found = zip(codes, rows, strict=True)
    return {
        code: market for code, row in found if row is not None and (market := _market(code, row))
    }


def _market(code: str, row: bytes) -> Market | None:
    try:
        facts: dict[str, Any] = json.loads(row)
        market = Market(
            bid=Decimal(facts["bid"]),
            ask=Decimal(facts["ask"]),
            received_at=str(facts["received_at"]),
            state=str(facts["state"]),
        )
    except (ValueError, KeyError, TypeError, ArithmeticError) as problem:
        logger.warning("unreadable market price", pair=code, error=repr(problem))
        return None
    return None if market_defect(market.bid, market.ask) else market
