"""What the account page asks for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from django import forms

from accounts.constants import DELETE_PHRASE
from accounts.models import User
from accounts.validators import time_zones

# Zones named by a place. The list's other names are for programs, or old.
REGIONS: Final = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia"),
    *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when it runs
    class Meta:
        model = User
        fields = ["display_name", "time_zone", "quote_currency"]
        labels = {"quote_currency": "Currency for values"}
        help_texts = {
            "display_name": "Shown to you and to who runs this desk.",
            "time_zone": "Times on your pages are told in it.",
        }
        widgets = {
            "display_name": forms.TextInput(attrs={"autocomplete": "nickname"}),
            "time_zone": forms.Select,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].widget.choices = list(_zone_choices(self.instance.time_zone))


class CloseForm(forms.Form):
    phrase = forms.CharField(
        label=f"Type “{DELETE_PHRASE}”",
        max_length=50,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_phrase(self) -> str:
        phrase: str = self.cleaned_data["phrase"]
        if phrase.casefold() != DELETE_PHRASE:
            raise forms.ValidationError("These are not the words.", code="phrase")
        return phrase


def _zone_choices(chosen: str) -> Iterator[tuple[str, Any]]:
    """Groups by region, for a list that a person can find something in."""
    yield "", "UTC"
    placed = [name for name in time_zones() if name.partition("/")[0] in REGIONS]
    if chosen and chosen not in placed:
        yield chosen, chosen
    for region, names in groupby(placed, key=lambda name: name.partition("/")[0]):
        yield region, [(name, name.partition("/")[2].replace("_", " ")) for name in names]
