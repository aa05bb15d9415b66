"""The operators' forms. Whether a spread is allowed is the service's business, not theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from foundation.errors import QuaysideError
from rates.models import Pair, SpreadRule
from rates.services.spread_check import Change
from rates.services.spread_table import plain

OFFSET: dict[str, Any] = {"max_digits": 24, "decimal_places": 12}
CLAMP: dict[str, Any] = {"max_digits": 12, "decimal_places": 4}


class PlainNumber(forms.TextInput):
    """A text box: a number box of a browser shows 1e-7, rounds, and changes under the wheel."""

    def __init__(self) -> None:
        super().__init__({"inputmode": "decimal", "autocomplete": "off", "class": "desk-number"})


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea({"rows": 2, "cols": 60}),
        help_text="Everybody sees it in the history.",
    )

    def refuse(self, problem: QuaysideError) -> None:
        """Show a service's refusal at the fields it names, or above the form."""
        named = {name: texts for name, texts in problem.fields.items() if name in self.fields}
        for name, texts in named.items():
            for text in texts:
                self.add_error(name, text)
        if not named:
            self.add_error(None, problem.message)


class SpreadForm(ReasonForm):
    """One pair's spread, or the house default."""

    unit = forms.ChoiceField(choices=SpreadRule.Unit.choices)
    buy = forms.DecimalField(
        **OFFSET, widget=PlainNumber(), help_text="Added to the ask. Normally above zero."
    )
    sell = forms.DecimalField(
        **OFFSET, widget=PlainNumber(), help_text="Added to the bid. Normally below zero."
    )
    min_bps = forms.DecimalField(**CLAMP, label="At least (bps)", widget=PlainNumber())
    max_bps = forms.DecimalField(
        **CLAMP,
        label="At most (bps)",
        widget=PlainNumber(),
        help_text="How far a customer price may lie from the market.",
    )
    effective_from = forms.DateTimeField(
        required=False,
        label="From (UTC)",
        widget=forms.DateTimeInput({"type": "datetime-local"}),
        help_text="Leave empty to act at once.",
    )
    expected_version = forms.IntegerField(min_value=0, widget=forms.HiddenInput())
    confirmed = forms.BooleanField(required=False, widget=forms.HiddenInput())

    field_order = ["unit", "buy", "sell", "min_bps", "max_bps", "effective_from", "reason"]

    def __init__(self, data: Mapping[str, Any] | None = None, *, pair: Pair | None, **kwargs: Any):
        super().__init__(data, **kwargs)
        self.pair = pair
        if pair is None:
            self.fields["unit"] = forms.ChoiceField(choices=[SpreadRule.Unit.choices[0]])

    def change(self) -> Change:
        """What the person asks for. Only after ``is_valid``."""
        names = ("unit", "buy", "sell", "min_bps", "max_bps", "effective_from", "expected_version")
        return Change(self.pair, **{name: self.cleaned_data[name] for name in names})


class BulkForm(ReasonForm):
    """The same edit for several pairs, in basis points."""

    SET, WIDEN = "set", "widen"
    mode = forms.ChoiceField(
        choices=[(SET, "Set both sides to"), (WIDEN, "Move both sides away from the market by")],
        label="Change",
    )
    buy = forms.DecimalField(**OFFSET, label="Buy (bps)", widget=PlainNumber())
    sell = forms.DecimalField(
        **OFFSET,
        label="Sell (bps)",
        widget=PlainNumber(),
        help_text="Signed when both sides are set; a distance when they are moved.",
    )

    field_order = ["mode", "buy", "sell", "reason"]

    def change(self, pair: Pair, standing: SpreadRule | None, expected: int | None) -> Change:
        """This edit for one pair. Moving is relative to ``standing``."""
        buy, sell = self.cleaned_data["buy"], self.cleaned_data["sell"]
        if self.cleaned_data["mode"] == self.WIDEN and standing is not None:
            buy, sell = standing.buy + buy, standing.sell - sell
        return Change(pair, SpreadRule.Unit.BPS.value, buy, sell, expected_version=expected)


def initial_values(standing: SpreadRule | None) -> dict[str, Any]:
    """What the edit form shows first: the newest decision, or careful defaults."""
    if standing is None:
        return {"unit": "bps", "min_bps": "0", "max_bps": "500", "expected_version": 0}
    values = {
        name: plain(getattr(standing, name)) for name in ("buy", "sell", "min_bps", "max_bps")
    }
    return values | {"unit": standing.unit, "expected_version": standing.version}
