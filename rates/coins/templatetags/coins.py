"""Figures of coins as words, in the shapes that ``static/js/coins-figures.js`` also writes."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django import template

register = template.Library()

DASH: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
SIZES: Final = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


@register.filter
def percent(value: Decimal | None) -> str:
    """``-1.96`` as a change with its sign."""
    return DASH if value is None else f"{value:+,.2f}%".replace("-", MINUS)


@register.filter
def direction(value: Decimal | None) -> str:
    """The class of a change."""
    return "none" if not value else "up" if value > 0 else "down"


@register.filter
def short(value: Decimal | None) -> str:
    """US dollars in three or four digits: ``$1.69 T``."""
    if value is None:
        return DASH
    for size, letter in SIZES:
        if abs(value) >= size:
            return f"${value / size:,.2f} {letter}"
    return f"${value:,.2f}"


@register.filter
def plain(value: Decimal | None) -> str:
    """All digits and nothing else; empty for ``None``."""
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
