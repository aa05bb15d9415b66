"""How the operators' pages write prices and spreads."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template

from rates.models import Pair, SpreadRule
from rates.services.quoting import Spread
from rates.services.spread_table import plain as without_zeros

register = template.Library()


@register.filter
def at_tick(value: Decimal, pair: Pair) -> str:
    """``84,359.9`` for a pair with one place."""
    return f"{value:,.{pair.price_decimals}f}"


@register.filter
def signed_at_tick(value: Decimal, pair: Pair) -> str:
    return f"{value:+,.{pair.price_decimals}f}"


@register.filter
def bps(value: Decimal) -> str:
    """``49.9 bps``: a tenth is finer than any decision here."""
    return f"{value:,.1f} bps"


@register.filter
def percent(value: Decimal) -> str:
    return f"{value:.3f} %"


@register.filter
def plain(value: Any) -> str:
    """A decimal without zeros that say nothing; nothing for nothing."""
    return without_zeros(value) if isinstance(value, Decimal) else ""


@register.filter
def offsets(rule: SpreadRule | Spread) -> str:
    """``-50 / +50 bps``: sell, then buy, as on the board."""
    unit = rule.unit
    if isinstance(rule, SpreadRule) and unit == SpreadRule.Unit.ABSOLUTE and rule.pair:
        unit = rule.pair.quote
    sign = "+" if rule.buy > 0 else ""
    return f"{without_zeros(rule.sell)} / {sign}{without_zeros(rule.buy)} {unit}"
