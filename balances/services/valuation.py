"""What holdings are worth in dollars: by the desk's own market, else by the list of top coins.

A price of today never values the past. A token is priced by the symbol that the desk gave it
(``Token.price_symbol``), never by the one it claims. Stablecoins too have a pair, are among the
coins, or have no price.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from balances.models import Token
from balances.services import preferences
from balances.services.amounts import CENT, EXACT, worth
from balances.services.holdings import Holding, NoPrice, State
from foundation.errors import Unavailable
from rates.coins.services import board as coins
from rates.models import Candle1m, Pair
from rates.services import board

QUOTE: Final = "USD"
# An older candle says nothing of the moment that was asked for.
NEAR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one unit, between bid and ask or as the sources of coins say, and when they did.

    ``live`` is false where nobody confirms it at present.
    """

    usd: Decimal
    at: datetime
    live: bool = True


@dataclass(frozen=True, slots=True)
class Share:
    """One asset's part of a total, over all chains and addresses. ``percent`` is of the priced."""

    symbol: str
    usd: Decimal
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """``usd`` is of what is priced; what it leaves out is named.

    ``unpriced`` are tokens that are held and have no price, ``loading`` and ``unknown`` count
    holdings without a value, ``spam`` the tokens that are held, not to be shown and left out.
    ``oldest`` is the age of the oldest price in it.
    """

    usd: Decimal = Decimal(0)
    shares: list[Share] = field(default_factory=list)
    unpriced: list[Token] = field(default_factory=list)
    loading: int = 0
    unknown: int = 0
    spam: int = 0
    oldest: datetime | None = None

    @property
    def complete(self) -> bool:
        return not (self.unpriced or self.loading or self.unknown)


def price_symbol(token: Token) -> str:
    """Under which symbol rates know the token; empty for none."""
    return token.price_symbol or (token.chain.native_symbol if token.is_native else "")


def usd_prices(symbols: Collection[str]) -> dict[str, Price]:
    """Prices of ``symbols`` (``ETH``) on the board, else among the top coins; those that are on
    neither are left out."""
    if not symbols:
        return {}
    codes = {f"{symbol}_{QUOTE}": symbol for symbol in symbols}
    found = {}
    for code, entry in board.read(list(codes)).entries.items():
        price = _quoted(entry)
        if price is not None:
            found[codes[code]] = price
    missing = [symbol for symbol in symbols if symbol not in found]
    return found | _coin_prices(missing) if missing else found


def _coin_prices(symbols: Iterable[str]) -> dict[str, Price]:
    try:
        ready = coins.current()
    except Unavailable:
        return {}
    shown = ready.shown
    live = not shown.is_stale(coins.now())
    return {
        symbol: Price(Decimal(row["price"]), shown.as_of, live=live)
        for symbol in symbols
        if (row := ready.by_symbol.get(symbol)) is not None
    }


def usd_prices_at(symbols: Collection[str], moment: datetime) -> dict[str, Price]:
    """The market's prices at ``moment``, from its minute candles."""
    codes = {f"{symbol}_{QUOTE}": symbol for symbol in symbols}
    near = Candle1m.objects.filter(
        pair__code__in=codes, bucket__gt=moment - NEAR, bucket__lte=moment
    )
    newest = near.order_by("pair_id", "-bucket").distinct("pair_id")
    rows = newest.values_list("pair__code", "bucket", "bid_c", "ask_c") if codes else []
    return {codes[code]: Price(_between(bid, ask), at) for code, at, bid, ask in rows}


def value(holdings: Sequence[Holding], *, moment: datetime | None = None) -> list[Holding]:
    """The same with ``usd``, ``usd_at`` and ``usd_reason``; at ``moment``, or now."""
    symbols = {symbol for holding in holdings if (symbol := price_symbol(holding.token))}
    prices = usd_prices(symbols) if moment is None else usd_prices_at(symbols, moment)
    missing = NoPrice.NO_QUOTE if moment is None else NoPrice.NO_PRICE_THEN
    known = _pairs(symbols - set(prices))
    return [_valued(holding, prices, known, missing) for holding in holdings]


def totals(
    holdings: Iterable[Holding], *, shows: preferences.Shows = preferences.by_desk
) -> Totals:
    """Sums up what has a worth, and names what has none. What is not to be shown, such as spam, is
    in neither, only counted: its name is bait."""
    found = Totals()
    sums: dict[str, Decimal] = {}
    unpriced: dict[int, Token] = {}
    counts = {State.LOADING: 0, State.UNKNOWN: 0}
    spam: set[int] = set()
    oldest: datetime | None = None
    for holding in holdings:
        if not shows(holding.token):
            if holding.value:
                spam.add(holding.token.pk)
            continue
        if holding.value is None:
            counts[State(holding.state)] += 1
        elif holding.usd is None and holding.value:
            unpriced.setdefault(holding.token.pk, holding.token)
        elif holding.usd is not None and holding.value:
            symbol = price_symbol(holding.token)
            sums[symbol] = EXACT.add(sums.get(symbol, Decimal(0)), holding.usd)
            if holding.usd_at is not None:
                oldest = min(oldest or holding.usd_at, holding.usd_at)
    total = Decimal(0)
    for usd in sums.values():
        total = EXACT.add(total, usd)
    return replace(
        found,
        usd=total,
        shares=_shares(sums, total),
        unpriced=list(unpriced.values()),
        loading=counts[State.LOADING],
        unknown=counts[State.UNKNOWN],
        spam=len(spam),
        oldest=oldest,
    )


def _shares(sums: dict[str, Decimal], total: Decimal) -> list[Share]:
    """Largest first."""
    if not total:
        return []
    found = [
        Share(symbol, usd, EXACT.divide(usd * 100, total).quantize(CENT, context=EXACT))
        for symbol, usd in sums.items()
    ]
    return sorted(found, key=lambda share: (-share.usd, share.symbol))


def _valued(
    holding: Holding, prices: dict[str, Price], known: Collection[str], missing: NoPrice
) -> Holding:
    symbol = price_symbol(holding.token)
    price = prices.get(symbol)
    if holding.value is None:
        return replace(holding, usd_reason=NoPrice.NO_VALUE)
    if price is None:
        return replace(holding, usd_reason=missing if symbol in known else NoPrice.NO_PAIR)
    decimals = holding.token.decimals
    if decimals is None:
        return replace(holding, usd_reason=NoPrice.NO_DECIMALS)
    return replace(holding, usd=worth(holding.value, decimals, price.usd), usd_at=price.at)


def _pairs(symbols: Collection[str]) -> set[str]:
    """Those of ``symbols`` that have a pair, although nothing is quoted of it."""
    if not symbols:
        return set()
    codes = {f"{symbol}_{QUOTE}": symbol for symbol in symbols}
    rows = Pair.objects.filter(code__in=codes).values_list("code", flat=True)
    return {codes[code] for code in rows}


def _quoted(entry: Any) -> Price | None:
    original, received = entry.data["original"], entry.meta.get("received")
    if original.get("buy") is None or original.get("sell") is None or received is None:
        return None
    at = datetime.fromtimestamp(received / 1000, UTC)
    mid = _between(Decimal(original["buy"]), Decimal(original["sell"]))
    return Price(mid, at, live=entry.meta["state"] == "live")


def _between(bid: Decimal, ask: Decimal) -> Decimal:
    return EXACT.divide(EXACT.add(bid, ask), Decimal(2))
