"""When a change of a spread waits for a second person (``RATES_FOUR_EYES``)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.conf import settings

from rates.models import SpreadRule
from rates.services.markets import Market
from rates.services.quoting import Spread
from rates.services.spread_check import Change, is_inward, to_bps

OFF: Final = "off"
OVER_THRESHOLD: Final = "over_threshold"
ALWAYS: Final = "always"
MODES: Final = (OFF, OVER_THRESHOLD, ALWAYS)


def needed(
    change: Change, spread: Spread, *, standing: SpreadRule | None, market: Market | None
) -> bool:
    """Whether ``spread`` may not act before somebody else has approved it.

    Widening both sides, or one and leaving the other, acts at once: it is the safe direction.
    """
    mode = settings.RATES_FOUR_EYES
    if mode == OFF or _widens(spread, standing):
        return False
    if mode == ALWAYS or change.pair is None or is_inward(spread) or standing is None:
        return True
    if (spread.min_bps, spread.max_bps) != (standing.min_bps, standing.max_bps):
        return True
    moved = change_bps(spread, standing, market)
    return moved is None or moved > settings.RATES_FOUR_EYES_THRESHOLD_BPS


def change_bps(
    spread: Spread, standing: SpreadRule | None, market: Market | None
) -> Decimal | None:
    """How far the side that moves most moves, in basis points; ``None`` when nobody can say."""
    if standing is None:
        return None
    if market is None and not spread.unit == standing.unit == SpreadRule.Unit.BPS:
        return None
    ask, bid = (market.ask, market.bid) if market else (Decimal(1), Decimal(1))
    return max(
        abs(to_bps(spread.unit, new, price) - to_bps(standing.unit, old, price))
        for new, old, price in (
            (spread.buy, standing.buy, ask),
            (spread.sell, standing.sell, bid),
        )
    )


def _widens(spread: Spread, standing: SpreadRule | None) -> bool:
    return (
        standing is not None
        and standing.unit == spread.unit
        and (standing.min_bps, standing.max_bps) == (spread.min_bps, spread.max_bps)
        and spread.buy >= standing.buy
        and spread.sell <= standing.sell
        and (spread.buy, spread.sell) != (standing.buy, standing.sell)
    )
