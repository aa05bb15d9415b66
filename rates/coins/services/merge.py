"""One list out of several: ranks from one source, prices from another, the right coins joined.

Symbols are not unique, so they join two rows only where nobody has said better (an alias) and the
prices do not speak against it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from rates.coins.constants import CLASH, FIGURES, MOST
from rates.coins.services.coin_list import Row
from rates.coins.sources.listing import Listing

# (source, its id of the coin) -> our name of the coin
Aliases = Mapping[tuple[str, str], str]
UNRANKED: Final = 10**9


class Source(NamedTuple):
    """A source's rows as last fetched, in any order."""

    name: str
    rows: Sequence[Listing]


@dataclass(frozen=True)
class Merged:
    """``dropped`` counts why coins are not in the list; ``clashes`` names (source, symbol)."""

    rows: list[Row]
    dropped: Counter[str] = field(default_factory=Counter)
    clashes: list[tuple[str, str]] = field(default_factory=list)


class Index:
    """A source's priced rows, by alias and by symbol, the best ranked first."""

    def __init__(self, source: Source, aliases: Aliases) -> None:
        self.name = source.name
        self.by_coin: dict[str, Listing] = {}
        self.by_symbol: dict[str, list[tuple[Listing, str | None]]] = defaultdict(list)
        for row in sorted(source.rows, key=_rank):
            if row.price is None:
                continue
            coin = aliases.get((source.name, row.key))
            if coin is not None:
                self.by_coin.setdefault(coin, row)
            self.by_symbol[row.symbol].append((row, coin))


def merge(ranks: Source, prices: Sequence[Source], aliases: Aliases) -> Merged:
    """The coins of ``ranks`` that a source of ``prices`` (the preferred first) has a price for.

    Ranks are numbered anew from 1, so there are no holes. At most 500 rows.
    """
    result = Merged([])
    indexes = [Index(source, aliases) for source in prices]
    seen: set[str] = set()
    for ranked in sorted((row for row in ranks.rows if row.rank is not None), key=_rank):
        if len(result.rows) == MOST:
            break
        if ranked.symbol in seen:
            # Who asks by symbol means the better ranked one.
            result.dropped["same symbol"] += 1
            continue
        coin = aliases.get((ranks.name, ranked.key))
        found = matches(ranked, coin, ranks.name, indexes, result.clashes)
        if not found:
            result.dropped["no price"] += 1
            continue
        seen.add(ranked.symbol)
        result.rows.append(_row(len(result.rows) + 1, ranked, ranks.name, found))
    return result


def matches(
    ranked: Listing,
    coin: str | None,
    ranked_by: str,
    indexes: Iterable[Index],
    clashes: list[tuple[str, str]],
) -> list[tuple[str, Listing]]:
    """The same coin at every source of prices that has it, with the source's name."""
    found = []
    for index in indexes:
        row = None
        if index.name == ranked_by:
            row = ranked if ranked.price is not None else None
        elif coin is not None and coin in index.by_coin:
            row = index.by_coin[coin]
        else:
            # A row that is known to be another coin is no candidate, however alike it looks.
            candidates = [
                candidate
                for candidate, other in index.by_symbol.get(ranked.symbol, [])
                if coin is None or other is None
            ]
            row = next((item for item in candidates if not _clash(ranked, item)), None)
            if row is None and candidates:
                clashes.append((index.name, ranked.symbol))
        if row is not None:
            found.append((index.name, row))
    return found


def _clash(ranked: Listing, candidate: Listing) -> bool:
    if ranked.price is None or candidate.price is None:
        return False
    ours, theirs = Decimal(ranked.price), Decimal(candidate.price)
    return abs(ours - theirs) > CLASH * max(ours, theirs)


def _row(rank: int, ranked: Listing, ranked_by: str, found: Sequence[tuple[str, Listing]]) -> Row:
    """A figure comes from where the price comes from, or from the next source that has it."""
    origin = {"rank": ranked_by, "price": found[0][0]}
    row: Row = {
        "rank": rank,
        "symbol": ranked.symbol,
        "name": ranked.name or found[0][1].name,
        "price": found[0][1].price,
    }
    for name in FIGURES:
        row[name] = None
        for source, listing in (*found, (ranked_by, ranked)):
            if (value := getattr(listing, name)) is not None:
                row[name], origin[name] = value, source
                break
    row["from"] = origin
    return row


def _rank(row: Listing) -> int:
    return UNRANKED if row.rank is None else row.rank
