"""Sources of a test: pointed at the simulator, with keys, and a list that is served at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from foundation import valkey
from live import messages
from rates.coins import constants as c
from rates.coins.services import board, refresh
from rates.coins.services.coin_list import CoinList
from rates.coins.sources.listing import Listing
from rates.models import CoinSource, CoinSourceState

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PREFIXES = ("coinmarketcap", "cryptocompare", "coingecko")


class Clock:
    """Simulated time: only tests move it."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def upstream(simulator, settings, monkeypatch):
    """The simulated services in normal mode, with prices that stand still; keys are set."""
    simulator.coins(reset=True, clock=0)
    settings.COIN_SOURCE_URLS = {name: f"{simulator.rest_url}/{name}" for name in PREFIXES}
    monkeypatch.setenv("COINMARKETCAP_API_KEY", "test-key")
    monkeypatch.setenv("CRYPTOCOMPARE_API_KEY", "test-key")
    board.memory.forget()
    # Budgets have a test of their own; elsewhere every source may be asked each period.
    CoinSource.objects.update(monthly_credits=None)
    yield simulator
    simulator.coins(reset=True)
    board.memory.forget()


def put(
    *symbols: str, price: str = "1.50", source: str = "coingecko", now=None, **facts
) -> CoinList:
    """Serve these coins, ranked in this order, as ``source`` said just now."""
    rows = [
        Listing(symbol.lower(), symbol, f"{symbol} coin", rank, price, **facts)
        for rank, symbol in enumerate(symbols, 1)
    ]
    return put_rows(rows, source=source, now=now)


def put_rows(rows: list[Listing], *, source: str = "coingecko", now=None) -> CoinList:
    moment = now or datetime.now(UTC)
    CoinSourceState.objects.filter(source__name=source).update(
        rows=[list(row) for row in rows], fetched_at=moment, tried_at=moment
    )
    board.memory.forget()
    shown = refresh.publish(moment)
    assert shown is not None
    return shown


def listing(symbol: str, rank: int | None = 1, price: str | None = "1", **facts) -> Listing:
    key = facts.pop("key", symbol.lower())
    return Listing(key, symbol, facts.pop("name", symbol), rank, price, **facts)


def close(one: str, other: str, *, within: str = "0.01") -> bool:
    a, b = Decimal(one), Decimal(other)
    return abs(a - b) <= Decimal(within) * max(a, b)


def told() -> dict[str, Any]:
    """Key of ``coins:changed`` to the data of its newest notice."""
    raw = cast("dict[bytes, bytes]", valkey.client().hgetall(c.KEY_NOTICES))
    return {key.decode(): json.loads(messages.decode(value).data) for key, value in raw.items()}
