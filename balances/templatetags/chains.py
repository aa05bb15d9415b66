"""How pages write addresses, hashes and amounts. Whole numbers only: nothing here is a float.

Amounts come out in the shape that ``static/js/numbers.js`` also draws. Rows that
modules fill in are drawn without a value, which Django passes as an empty text.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from balances.models import Chain, Token
from balances.services.amounts import address_text, in_units
from foundation.templatetags.ui import DASH, price

register = template.Library()

# Places that a page shows; the rest stands in the title.
PLACES: Final = 6
# 78 digits of a uint256, and room for the places.
WIDE: Final = Context(prec=160)
CENT: Final = Decimal("0.01")
# What a binary column gives, as its type says.
Raw = bytes | memoryview
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@register.filter
def hexed(raw: Raw | None) -> str:
    """``0x`` and the digits in lower case; nothing for nothing."""
    return f"0x{bytes(raw).hex()}" if raw else ""


@register.filter
def spelled(raw: Raw | None) -> str:
    """An address in the one spelling of EIP-55."""
    return address_text(bytes(raw)) if raw else ""


@register.filter
def short(text: str) -> str:
    """``0x5aAe…eAed`` of an address or a hash."""
    return text if len(text) <= 14 else f"{text[:6]}{ELLIPSIS}{text[-4:]}"


@register.filter
def called(token: Token) -> str:
    """The token's symbol; a contract that has none by its address."""
    return token.symbol or short(spelled(token.contract))


@register.filter
def exactly(value: int | None, decimals: int | None) -> str:
    """All digits: ``1234.500000000000000001``; base units where no decimals are known."""
    return in_units(value, decimals) if isinstance(value, int) else ""


@register.filter
def amount(value: int | None, decimals: int | None) -> SafeString:
    """At most six places, cut and not rounded: nobody is shown more than is there."""
    if not isinstance(value, int):
        return DASH
    places = min(decimals or 0, PLACES)
    least = Decimal(1).scaleb(-places)
    exact = Decimal(value).scaleb(-(decimals or 0), WIDE)
    shown = exact.quantize(least, ROUND_DOWN, WIDE)
    if value and not shown:
        return format_html('<span class="thin">&lt;\N{THIN SPACE}</span>{}', f"{least:f}")
    return price(shown, places)


@register.filter
def usd(value: Decimal | None) -> SafeString:
    """``1,234.56``, less telling digits thin; a dash for nothing."""
    return DASH if value is None else price(value.quantize(CENT, ROUND_HALF_EVEN, WIDE), 2)


@register.filter
def in_wei(value: int | None) -> str:
    """A fee per gas as ``1.25 gwei``."""
    return "" if value is None else f"{exactly(value, 9)} gwei"


@register.filter
def gas_width(used: int, limit: int) -> str:
    """How much of a bar of 100 is full."""
    return str(min(100, used * 100 // limit)) if limit else "0"


@register.simple_tag
def explorer(chain: Chain, kind: str, value: str | int) -> str:
    """The address of a page about ``value`` elsewhere; empty where the chain names no explorer."""
    return f"{chain.explorer_url.rstrip('/')}/{kind}/{value}" if chain.explorer_url else ""
