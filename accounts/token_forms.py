"""What a new API token is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone

from accounts.models import Scope, User
from accounts.services import tokens
from foundation.forms import Refusable

NO_END: Final = "0"
LIFETIMES: Final = (
    ("7", "7 days"),
    ("30", "30 days"),
    (str(tokens.LIFETIME.days), f"{tokens.LIFETIME.days} days"),
    ("365", "1 year"),
    (NO_END, "No end"),
)


class TokenForm(Refusable):
    name = forms.CharField(
        max_length=tokens.MAX_NAME,
        help_text="What uses it, so that you know it again.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="It may", widget=forms.CheckboxSelectMultiple, initial=[Scope.READ]
    )
    days = forms.ChoiceField(
        label="It ends after", choices=LIFETIMES, initial=str(tokens.LIFETIME.days)
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(scope.value, scope.label) for scope in tokens.scopes_for(user)]
        # The stubs know only the parent's attribute.
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """What ``tokens.create`` takes, of a form that is valid."""
        given = self.cleaned_data
        end = timezone.now() + timedelta(days=int(given["days"]))
        return {
            "name": given["name"],
            "scopes": [Scope(scope) for scope in given["scopes"]],
            "expires_at": None if given["days"] == NO_END else end,
        }
