"""Kraken's public REST interface: what pairs there are, and a second look at quiet prices.

It names things differently: Bitcoin is XBT, results are keyed by internal names (``XXBTZUSD``), and
errors arrive with HTTP 200. Nothing of that leaves this module.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import httpx
import structlog

from foundation.errors import Unavailable
from rates.models.pairs import LEGACY_ASSETS

logger = structlog.get_logger(__name__)

CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 8.0
# AssetPairs has about a megabyte.
LARGEST_BODY: Final = 16_000_000
# What the database holds of a price.
MOST_DECIMALS: Final = 12
LARGEST_TICK: Final = Decimal(10) ** 6


class ExchangeUnavailable(Unavailable):
    """The exchange's REST interface did not answer, or not with what was asked."""

    code = "exchange_unavailable"


@dataclass(frozen=True, slots=True)
class AssetPair:
    """One pair as offered. ``status`` is ``online``, ``cancel_only`` and the like."""

    code: str  # "BTC_USD"
    rest_key: str  # "XXBTZUSD"
    tick_size: Decimal
    price_decimals: int
    status: str

    @property
    def symbol(self) -> str:
        """The name on the websocket, "BTC/USD"."""
        return self.code.replace("_", "/")


class KrakenREST:
    """Calls block; ``top_of_book`` does not. Every failure is an ``ExchangeUnavailable``."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url, self._transport = url, transport
        self._keys: dict[str, str] = {}

    def asset_pairs(self) -> list[AssetPair]:
        """Every pair that can be read; rows that cannot are left out and counted in the log."""
        rows = self._get("AssetPairs", {})
        pairs = [pair for key, row in rows.items() if (pair := _asset_pair(key, row)) is not None]
        if len(pairs) < len(rows):
            logger.warning("asset pairs left out", unreadable=len(rows) - len(pairs))
        self._keys = {pair.symbol: pair.rest_key for pair in pairs}
        return pairs

    async def top_of_book(self, symbols: Iterable[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        """(bid, ask) by websocket symbol, for those of ``symbols`` that the exchange offers."""
        return await asyncio.to_thread(self._top_of_book, list(symbols))

    def _top_of_book(self, symbols: list[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        if any(symbol not in self._keys for symbol in symbols):
            self.asset_pairs()
        wanted = {self._keys[symbol]: symbol for symbol in symbols if symbol in self._keys}
        if not wanted:
            return {}
        # One unknown name would refuse them all, so only known ones are asked for.
        rows = self._get("Ticker", {"pair": ",".join(wanted)})
        return {
            symbol: (_price(rows[key], "b"), _price(rows[key], "a"))
            for key, symbol in wanted.items()
            if key in rows
        }

    def _get(self, endpoint: str, params: Mapping[str, str]) -> dict[str, Any]:
        """The ``result`` object of one call."""
        try:
            body = json.loads(self._download(endpoint, params))
        except (ValueError, RecursionError) as problem:
            raise _unavailable(endpoint, "not JSON") from problem
        errors = body.get("error") if isinstance(body, dict) else None
        if not isinstance(errors, list):
            raise _unavailable(endpoint, "no envelope")
        # E is an error and W a warning, after which there is a result all the same.
        if fatal := [str(error)[:200] for error in errors if not str(error).startswith("W")]:
            raise _unavailable(endpoint, ", ".join(fatal[:5]))
        if not isinstance(body.get("result"), dict):
            raise _unavailable(endpoint, "no result")
        result: dict[str, Any] = body["result"]
        return result

    def _download(self, endpoint: str, params: Mapping[str, str]) -> bytes:
        timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
        body = bytearray()
        try:
            with (
                httpx.Client(timeout=timeout, transport=self._transport) as client,
                client.stream("GET", f"{self._url}/0/public/{endpoint}", params=params) as answer,
            ):
                answer.raise_for_status()
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > LARGEST_BODY:
                        raise _unavailable(endpoint, "too large")
        except httpx.HTTPStatusError as problem:
            raise _unavailable(endpoint, f"status {problem.response.status_code}") from problem
        except httpx.HTTPError as problem:
            raise _unavailable(endpoint, type(problem).__name__) from problem
        return bytes(body)


def _unavailable(endpoint: str, reason: str) -> ExchangeUnavailable:
    return ExchangeUnavailable(f"The exchange's {endpoint} gave no usable answer: {reason}.")


def _asset_pair(key: str, row: object) -> AssetPair | None:
    """``None`` when the row lacks what we need; pairs without a websocket name do."""
    try:
        return _read_asset_pair(key, row)
    except (TypeError, KeyError, ValueError, InvalidOperation):
        return None


def _read_asset_pair(key: str, row: Any) -> AssetPair:
    base, quote = (LEGACY_ASSETS.get(name, name) for name in str(row["wsname"]).split("/"))
    tick, decimals = Decimal(str(row["tick_size"])), row["pair_decimals"]
    exponent = tick.as_tuple().exponent
    sane = tick.is_finite() and 0 < tick <= LARGEST_TICK and -int(exponent) <= MOST_DECIMALS
    if not sane or type(decimals) is not int or not 0 <= decimals <= MOST_DECIMALS:
        raise ValueError("tick")
    return AssetPair(f"{base}_{quote}", key, tick, decimals, str(row["status"])[:32])


def _price(row: object, side: str) -> Decimal:
    """The first of ``a`` or ``b``: [price, whole lot volume, lot volume], all strings."""
    try:
        price = Decimal(str(row[side][0]))  # type: ignore[index]
    except (TypeError, KeyError, IndexError, InvalidOperation) as problem:
        raise _unavailable("Ticker", "no price") from problem
    if not price.is_finite():
        raise _unavailable("Ticker", "no price")
    return price
