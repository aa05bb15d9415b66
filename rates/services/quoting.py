"""From the market's price and the desk's spread to the price a customer sees: pure arithmetic.

All of it is exact: ``with_spread = original + spread`` holds to the last digit, and rounding to the
tick never favours the customer (buy is rounded up, sell down).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from rates.constants import BPS

# Default contexts keep 28 digits and signal nothing useful; prices times offsets fit in 60.
EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Spread:
    """A version of a spread, ready for arithmetic. Offsets are signed, in ``unit``."""

    unit: str  # "bps" or "absolute"
    buy: Decimal
    sell: Decimal
    min_bps: Decimal
    max_bps: Decimal
    version: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A two-way price. ``buy`` is what the customer pays (from the ask), ``sell`` what they get."""

    original_buy: Decimal
    original_sell: Decimal
    buy: Decimal
    sell: Decimal
    clamped: bool

    @property
    def spread_buy(self) -> Decimal:
        return self.buy - self.original_buy

    @property
    def spread_sell(self) -> Decimal:
        return self.sell - self.original_sell


class Unquotable(ValueError):
    """No price may be published; ``reason`` is a word that ``market_defect`` or ``quote`` names."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def market_defect(bid: Decimal, ask: Decimal) -> str | None:
    """Why this market price cannot be used: ``not_a_number``, ``not_positive``, ``crossed``.

    A locked market (bid = ask) is allowed.
    """
    if not (bid.is_finite() and ask.is_finite()):
        return "not_a_number"
    if bid <= 0 or ask <= 0:
        return "not_positive"
    if bid > ask:
        return "crossed"
    return None


def quote(*, bid: Decimal, ask: Decimal, spread: Spread, tick: Decimal) -> Quote:
    """Add ``spread`` to the market and round to ``tick``.

    Raises ``Unquotable`` with the market's defect, with ``result_crossed`` when the customer could
    sell above the price at which they buy, or with ``result_not_positive``.
    """
    defect = market_defect(bid, ask)
    if defect is not None:
        raise Unquotable(defect, f"The market price {bid} / {ask} cannot be quoted.")
    buy_offset, buy_clamped = _offset(ask, spread.buy, spread, outward=1)
    sell_offset, sell_clamped = _offset(bid, spread.sell, spread, outward=-1)
    buy = to_tick(EXACT.add(ask, buy_offset), tick, ROUND_CEILING)
    sell = to_tick(EXACT.add(bid, sell_offset), tick, ROUND_FLOOR)
    if sell <= 0 or buy <= 0:
        raise Unquotable("result_not_positive", f"The customer would sell at {sell}.")
    if sell > buy:
        raise Unquotable(
            "result_crossed", f"The customer would sell at {sell}, above buying at {buy}."
        )
    return Quote(
        original_buy=ask,
        original_sell=bid,
        buy=buy,
        sell=sell,
        clamped=buy_clamped or sell_clamped,
    )


def to_tick(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    """The multiple of ``tick`` next to ``price`` in the direction of ``rounding``."""
    steps = EXACT.divide(price, tick).to_integral_value(rounding=rounding)
    return EXACT.multiply(steps, tick)


def _offset(
    price: Decimal, configured: Decimal, spread: Spread, *, outward: int
) -> tuple[Decimal, bool]:
    """The offset in quote currency after the clamp, and whether the clamp bit.

    The clamp bounds the distance away from the market, so a side's outward sign comes first.
    """
    raw = (
        configured
        if spread.unit == "absolute"
        else EXACT.divide(EXACT.multiply(price, configured), Decimal(BPS))
    )
    distance = raw * outward
    low = EXACT.divide(EXACT.multiply(price, spread.min_bps), Decimal(BPS))
    high = EXACT.divide(EXACT.multiply(price, spread.max_bps), Decimal(BPS))
    held = min(max(distance, low), high)
    return held * outward, held != distance
