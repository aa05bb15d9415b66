"""The list that is served: its rows, where each came from, and its two hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rates.coins import constants as c

# rank, symbol, name, price and the figures of ``constants.FIGURES``; figures are texts or ``None``.
# ``from`` maps each of them to the source that gave it.
Row = dict[str, Any]


@dataclass(frozen=True)
class CoinList:
    """``sources`` maps a source to when its rows were fetched, which is how old its fields are."""

    version: int  # ms since 1970; only rises
    rows: list[Row]
    sources: Mapping[str, datetime]
    price_source: str
    rank_source: str
    # Seconds for which such ranks are fresh: their source may be asked seldom.
    ranks_last: int = 0
    simulated: bool = False
    hash: str = field(init=False)
    rank_hash: str = field(init=False)

    def __post_init__(self) -> None:
        lines = [f"{row['rank']}|{row['symbol']}|" for row in self.rows]
        prices = (row["price"] for row in self.rows)
        priced = (f"{line}{price}" for line, price in zip(lines, prices, strict=True))
        object.__setattr__(self, "hash", digest(priced))
        object.__setattr__(self, "rank_hash", digest(lines))

    @property
    def as_of(self) -> datetime:
        """When the prices were fetched."""
        return self.sources[self.price_source]

    @property
    def ranked_at(self) -> datetime:
        return self.sources[self.rank_source]

    def is_stale(self, now: datetime) -> bool:
        """Whether prices or ranks are older than a source that works would leave them."""
        return now > self.stale_at

    @property
    def stale_at(self) -> datetime:
        patience = max(c.STALE, timedelta(seconds=self.ranks_last) + (c.STALE - c.FRESH))
        return min(self.as_of + c.STALE, self.ranked_at + patience)

    def by_symbol(self) -> dict[str, Row]:
        return {row["symbol"]: row for row in self.rows}

    def pack(self) -> dict[str, Any]:
        """As JSON can hold it; without the version, which has a column of its own."""
        return {
            "rows": self.rows,
            "sources": {name: moment.isoformat() for name, moment in self.sources.items()},
            "price_source": self.price_source,
            "rank_source": self.rank_source,
            "ranks_last": self.ranks_last,
            "simulated": self.simulated,
        }


def unpack(version: int, packed: Mapping[str, Any]) -> CoinList:
    return CoinList(
        version=version,
        rows=packed["rows"],
        sources={name: datetime.fromisoformat(at) for name, at in packed["sources"].items()},
        price_source=packed["price_source"],
        rank_source=packed["rank_source"],
        ranks_last=packed.get("ranks_last", 0),
        simulated=packed.get("simulated", False),
    )


def digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
