"""What the pages of balances ask for. Services judge it; forms draw it and say what is wrong."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from balances.models import Watch
from foundation.forms import Refusable

PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}
COLOURS: Final = [
    ("", "No colour"),
    ("#2563c9", "Blue"),
    ("#0f8a6a", "Green"),
    ("#b7791f", "Amber"),
    ("#c2477a", "Red"),
    ("#8a4fd0", "Violet"),
    ("#6b7a8c", "Grey"),
]


class WatchForm(Refusable):
    address = forms.CharField(
        label="Address", max_length=120, widget=forms.TextInput(PLAIN | {"placeholder": "0x…"})
    )
    label = forms.CharField(
        label="Label", max_length=60, required=False, widget=forms.TextInput(PLAIN)
    )
    group = forms.CharField(
        label="Group", max_length=40, required=False, widget=forms.TextInput(PLAIN)
    )
    colour = forms.ChoiceField(label="Colour", choices=COLOURS, required=False)


class WatchChangeForm(Refusable):
    label = forms.CharField(
        label="Label", max_length=60, required=False, widget=forms.TextInput(PLAIN)
    )
    group = forms.CharField(
        label="Group", max_length=40, required=False, widget=forms.TextInput(PLAIN)
    )
    colour = forms.ChoiceField(label="Colour", choices=COLOURS, required=False)
    hidden = forms.BooleanField(label="Hidden, and not in the total", required=False)

    @classmethod
    def of(cls, watch: Watch) -> WatchChangeForm:
        """Filled with what the watch says; its ids are its own, since pages have many."""
        names = list(cls.base_fields)
        form = cls(
            initial={name: getattr(watch, name) for name in names}, auto_id=f"watch{watch.pk}_%s"
        )
        if watch.colour and watch.colour not in dict(COLOURS):
            form.fields["colour"].choices = [*COLOURS, (watch.colour, watch.colour)]  # type: ignore[attr-defined]
        return form


class ActivityForm(Refusable):
    """Filters of the chain's page. ``min_value`` is in units, as people count."""

    address = forms.CharField(
        label="Address",
        max_length=120,
        required=False,
        widget=forms.TextInput(PLAIN | {"placeholder": "0x…"}),
    )
    direction = forms.ChoiceField(
        label="Direction",
        required=False,
        choices=[("", "In and out"), ("in", "In"), ("out", "Out")],
    )
    min_value = forms.CharField(
        label="At least",
        max_length=100,
        required=False,
        widget=forms.TextInput(PLAIN | {"inputmode": "decimal"}),
    )
    token = forms.ChoiceField(label="Asset", required=False)

    def __init__(self, *args: Any, tokens: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].choices = tokens  # type: ignore[attr-defined]


class MomentForm(Refusable):
    """A block of a chain, or a time: what was held then?"""

    chain = forms.ChoiceField(label="Chain", required=False)
    block = forms.CharField(
        label="Block",
        max_length=20,
        required=False,
        widget=forms.TextInput(PLAIN | {"inputmode": "numeric"}),
    )
    at = forms.CharField(
        label="Or a time, UTC",
        max_length=40,
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local", "step": "1"}),
    )

    def __init__(self, *args: Any, chains: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["chain"].choices = chains  # type: ignore[attr-defined]
        if len(chains) < 2:
            self.fields["chain"].widget = forms.HiddenInput()
