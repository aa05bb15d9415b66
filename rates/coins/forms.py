"""What a new webhook is asked for."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from foundation.forms import Refusable
from rates.coins import outgoing
from rates.coins.services import webhooks

WORDS: Final = {"price": "Any price or rank changes", "rank": "A rank changes"}

# What the log keeps in one word, as its page says it; a status speaks for itself.
TROUBLES: Final = {
    "redirect": "It answered with another address.",
    "timeout": "It took too long.",
    "tls": "Its certificate is not valid.",
    "unreachable": "It could not be reached.",
    "broken": "The connection broke.",
    "unresolvable": "Its name could not be resolved.",
    "address_refused": "It leads to a private or reserved address.",
    "not_https": "It is not an https:// address.",
    "not_a_url": "It is not an address of the web.",
    "too_old": "It waited for more than a day.",
    "switched_off": "The webhook was switched off.",
}


def trouble(error: str) -> str:
    """Why a call failed, in words; empty where there is no more to say than its status."""
    return TROUBLES.get(error, "")


def word(key: str) -> str:
    """A key of ``coins:changed`` as people read it."""
    return WORDS.get(key, f"A price moves by {key.removeprefix('price>')} or more")


class WebhookForm(Refusable):
    url = forms.CharField(
        label="Address",
        max_length=outgoing.LONGEST_URL,
        help_text="An https:// address of yours that everybody can reach.",
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://"}),
    )
    on = forms.ChoiceField(
        label="Call it when", choices=[(key, word(key)) for key in webhooks.KEYS]
    )

    def values(self) -> dict[str, Any]:
        return {"url": self.cleaned_data["url"], "on": self.cleaned_data["on"]}
