"""Whether a spread may be set: numbers, the clamp, and prices that would cross.

Refusals are ``SpreadRefused`` with every field that is to blame at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from foundation.errors import InvalidInput
from rates.constants import BPS
from rates.models import Pair, SpreadRule
from rates.services.markets import Market
from rates.services.quoting import EXACT, Spread, Unquotable, quote, to_tick
from rates.services.spread_table import plain

BPS_DECIMALS: Final = 4
# The columns hold twelve digits before the point.
LARGEST: Final = Decimal(10) ** 12
DEFAULT_CLAMP: Final = (Decimal(0), Decimal(500))


class SpreadRefused(InvalidInput):
    code = "spread_refused"


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody asks for. ``pair`` is ``None`` for the house default; a clamp left out is kept.

    ``expected_version`` is the version the person looked at; ``None`` skips the comparison.
    """

    pair: Pair | None
    unit: str
    buy: Decimal
    sell: Decimal
    min_bps: Decimal | None = None
    max_bps: Decimal | None = None
    effective_from: datetime | None = None
    expected_version: int | None = None

    @property
    def label(self) -> str:
        return self.pair.code if self.pair else "house default"


def check(change: Change, *, standing: SpreadRule | None, market: Market | None) -> Spread:
    """The spread to store, its clamp completed from ``standing``. Raises ``SpreadRefused``."""
    _check_unit(change)
    _check_numbers(change)
    kept = (standing.min_bps, standing.max_bps) if standing else DEFAULT_CLAMP
    spread = Spread(
        unit=change.unit,
        buy=change.buy,
        sell=change.sell,
        min_bps=kept[0] if change.min_bps is None else change.min_bps,
        max_bps=kept[1] if change.max_bps is None else change.max_bps,
        version=0,
    )
    _check_clamp(spread)
    _check_range(spread, change, market)
    _check_not_crossed(spread, change, market)
    return spread


def is_inward(spread: Spread) -> bool:
    """Whether a side is better for the customer than the market."""
    return spread.buy < 0 or spread.sell > 0


def to_bps(unit: str, offset: Decimal, price: Decimal) -> Decimal:
    """An offset in basis points of ``price``, with its sign."""
    if unit == SpreadRule.Unit.BPS:
        return offset
    return EXACT.divide(EXACT.multiply(offset, Decimal(BPS)), price)


def refuse(problems: Mapping[str, str]) -> None:
    """Raise ``SpreadRefused`` if there are problems, by field name."""
    if problems:
        message = " ".join(dict.fromkeys(problems.values()))
        raise SpreadRefused(message, fields={name: [text] for name, text in problems.items()})


def _check_unit(change: Change) -> None:
    if change.unit not in SpreadRule.Unit.values:
        refuse({"unit": f"Use one of {', '.join(SpreadRule.Unit.values)}."})
    if change.pair is None and change.unit != SpreadRule.Unit.BPS:
        refuse({"unit": "The house default is in basis points: it serves pairs of all currencies."})


def _check_numbers(change: Change) -> None:
    decimals = BPS_DECIMALS
    if change.unit == SpreadRule.Unit.ABSOLUTE and change.pair is not None:
        decimals = _decimals(change.pair.tick_size)
    values = {
        "buy": (change.buy, decimals),
        "sell": (change.sell, decimals),
        "min_bps": (change.min_bps, BPS_DECIMALS),
        "max_bps": (change.max_bps, BPS_DECIMALS),
    }
    found = {
        name: problem
        for name, (value, places) in values.items()
        if value is not None and (problem := _defect(value, places))
    }
    refuse(found)


def _defect(value: Decimal, decimals: int) -> str | None:
    # Magnitude first: a number like 1e999999 must never be written out or multiplied.
    if not value.is_finite():
        return "Enter a number."
    if value and value.adjusted() >= LARGEST.adjusted():
        return "The number is too large."
    if _decimals(value) > decimals:
        return f"At most {decimals} digits after the point."
    return None


def _decimals(value: Decimal) -> int:
    exponent = value.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(-exponent, 0)


def _check_clamp(spread: Spread) -> None:
    if not 0 <= spread.max_bps < BPS:
        refuse({"max_bps": f"The limit lies between 0 and {BPS - 1} basis points."})
    if not -BPS < spread.min_bps <= spread.max_bps:
        refuse({"min_bps": f"The minimum lies above -{BPS} and not above the maximum."})


def _check_range(spread: Spread, change: Change, market: Market | None) -> None:
    if spread.unit == SpreadRule.Unit.ABSOLUTE and market is None:
        return  # An amount has no basis points without a price; the feed clamps it then.
    ask, bid = (market.ask, market.bid) if market else (Decimal(BPS), Decimal(BPS))
    problems = {}
    for name, offset, price, outward in (
        ("buy", spread.buy, ask, 1),
        ("sell", spread.sell, bid, -1),
    ):
        distance = outward * to_bps(spread.unit, offset, price)
        if not spread.min_bps <= distance <= spread.max_bps:
            low, high = _allowed(spread, change, price, outward)
            problems[name] = f"{plain(offset)} is outside the allowed {low} to {high}."
    refuse(problems)


def _allowed(spread: Spread, change: Change, price: Decimal, outward: int) -> tuple[str, str]:
    """The ends of a side's range in the unit of the spread, the smaller one first."""
    low, high = sorted((outward * spread.min_bps, outward * spread.max_bps))
    if spread.unit == SpreadRule.Unit.BPS or change.pair is None:
        return plain(low), f"{plain(high)} basis points"
    tick, quoted = change.pair.tick_size, change.pair.quote
    in_currency = [EXACT.divide(EXACT.multiply(price, end), Decimal(BPS)) for end in (low, high)]
    lowest = to_tick(in_currency[0], tick, ROUND_CEILING)
    highest = to_tick(in_currency[1], tick, ROUND_FLOOR)
    return plain(lowest), f"{plain(highest)} {quoted}"


def _check_not_crossed(spread: Spread, change: Change, market: Market | None) -> None:
    if spread.buy < spread.sell:
        where = _locked_prices(spread, change, market)
        problem = (
            f"The buy offset {plain(spread.buy)} lies below the sell offset {plain(spread.sell)}"
            f"{where}: where bid and ask meet, a customer could sell above the price to buy."
        )
        refuse({"buy": problem, "sell": problem})
    if market is None or change.pair is None:
        return
    try:
        quote(bid=market.bid, ask=market.ask, spread=spread, tick=change.pair.tick_size)
    except Unquotable as crossed:
        refuse({"buy": str(crossed), "sell": str(crossed)})


def _locked_prices(spread: Spread, change: Change, market: Market | None) -> str:
    """The two prices that cross, at the present ask, in words."""
    if market is None or change.pair is None:
        return ""
    sides = [
        market.ask
        + (
            offset
            if spread.unit == SpreadRule.Unit.ABSOLUTE
            else EXACT.divide(EXACT.multiply(market.ask, offset), Decimal(BPS))
        )
        for offset in (spread.buy, spread.sell)
    ]
    tick = change.pair.tick_size
    buy, sell = to_tick(sides[0], tick, ROUND_CEILING), to_tick(sides[1], tick, ROUND_FLOOR)
    return f" (buying at {plain(buy)}, selling at {plain(sell)})"
