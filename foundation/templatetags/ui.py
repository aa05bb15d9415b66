"""Template tags of the design: icons, figures, form fields.

Figures come out in the shape that ``static/js/numbers.js`` also draws, so that the first live value
does not move anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from foundation.icons import ICONS

register = template.Library()

# Digits of a price that the eye needs; those before and after them are drawn thin.
SIGNIFICANT = 5
MINUS = "\N{MINUS SIGN}"
DASH = mark_safe('<span class="none">\N{EN DASH}</span>')


@register.simple_tag
def icon(name: str) -> SafeString:
    """An inline drawing, hidden from screen readers: the word stands beside it."""
    return format_html(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" data-icon="{}">{}</svg>',
        name,
        mark_safe(ICONS[name]),  # noqa: S308  # from the table above
    )


@register.filter
def price(value: Decimal | None, decimals: int) -> SafeString:
    """``84781.7`` with one place as ``84,781.7``, less telling digits thin; a dash for ``None``."""
    if value is None:
        return DASH
    text = f"{value:,.{decimals}f}".replace("-", MINUS)
    start, end = _telling_digits(text)
    return format_html("{}{}{}", _thin(text[:start]), text[start:end], _thin(text[end:]))


@register.filter
def signed(value: Decimal | None, decimals: int) -> str:
    """A change: always with its sign, and a real minus."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:+,.{decimals}f}".replace("-", MINUS)


@register.filter
def offset(value: Decimal) -> str:
    """A spread's offset: signed, without the zeros that only its column needs."""
    return f"{value.normalize():+,f}".replace("-", MINUS)


@register.filter
def ago(moment: datetime | None) -> str:
    """``2 s ago``; the module ``time.js`` keeps it true."""
    if moment is None:
        return "no data yet"
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


@register.filter
def words(code: str | None) -> str:
    """A stable code such as ``feed_silent`` as words."""
    return (code or "").replace("_", " ")


@register.filter
def duration(seconds: float | None) -> str:
    """An age in seconds as ``3 s``, ``4 min`` or ``2 h``."""
    if seconds is None:
        return "\N{EN DASH}"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@register.simple_tag
def widget(field: BoundField) -> SafeString:
    """The field's input without the placeholder that would repeat its label."""
    return field.as_widget(attrs={"placeholder": False})


@register.filter
def is_choice(field: BoundField) -> bool:
    return getattr(field.field.widget, "input_type", "") == "checkbox"


@register.simple_tag(takes_context=True)
def theme(context: dict[str, Any]) -> SafeString:
    """``data-theme`` as the visitor chose it, from a cookie: known before the first paint."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme") if request is not None else None
    return format_html(' data-theme="{}"', chosen) if chosen in ("light", "dark") else SafeString()


def _telling_digits(text: str) -> tuple[int, int]:
    """Where the first significant digit of ``text`` stands, and where the fifth one ends."""
    start = next((i for i, char in enumerate(text) if char in "123456789"), 0)
    seen = 0
    for i in range(start, len(text)):
        seen += text[i].isdigit()
        if seen == SIGNIFICANT:
            # A whole part is never thinned: 123,456 is not 12,345 and a bit.
            point = text.find(".")
            return start, max(i + 1, point if point >= 0 else len(text))
    return start, len(text)


def _thin(text: str) -> SafeString:
    return format_html('<span class="thin">{}</span>', text) if text else SafeString()
