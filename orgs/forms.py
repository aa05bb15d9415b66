"""What the organisations' pages ask for. Services judge it; forms draw it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone

from foundation.forms import Refusable
from orgs.models import KeyScope, OrgRole
from orgs.models.organisations import MAX_NAME
from orgs.services import keys, treasury

PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}
NO_END: Final = "0"
LIFETIMES: Final = (
    *(("30", "30 days"), ("90", "90 days"), ("365", "1 year")),
    (NO_END, "No end"),
)


class NameForm(Refusable):
    name = forms.CharField(
        label="Name",
        max_length=MAX_NAME,
        widget=forms.TextInput({"autocomplete": "organization"}),
    )


class DomainForm(Refusable):
    # Named as the services' refusals name it. Room for what is too long to be named as such.
    domain = forms.CharField(
        label="Mail domain",
        max_length=400,
        help_text="What stands after the @ of the company's addresses.",
        widget=forms.TextInput(PLAIN | {"inputmode": "url"}),
    )


class TreasuryForm(Refusable):
    address = forms.CharField(
        label="Address",
        max_length=120,
        help_text="0x and 40 hex digits. Its balances are followed from then on.",
        widget=forms.TextInput(PLAIN),
    )
    label = forms.CharField(
        label="Label",
        max_length=treasury.MAX_LABEL,
        required=False,
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class InviteForm(Refusable):
    role = forms.ChoiceField(label="They join as", choices=OrgRole.choices, initial=OrgRole.MEMBER)
    email = forms.EmailField(
        label="E-mail address",
        required=False,
        help_text="Sends the link there, for an account that has confirmed this address. "
        "Left empty, whoever has the link may join.",
        widget=forms.EmailInput(PLAIN),
    )

    def __init__(self, *args: Any, makes_owners: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The stubs know only the parent's attribute.
        self.fields["role"].choices = roles(makes_owners)  # type: ignore[attr-defined]


class KeyForm(Refusable):
    name = forms.CharField(
        label="Name",
        max_length=keys.MAX_NAME,
        help_text="What uses it, so that you know it again.",
        widget=forms.TextInput(PLAIN),
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=KeyScope.choices,
        initial=[KeyScope.EVENTS],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.ChoiceField(label="It ends after", choices=LIFETIMES, initial="365")

    def values(self) -> dict[str, Any]:
        """What ``keys.create`` takes, of a form that is valid."""
        given = self.cleaned_data
        end = timezone.now() + timedelta(days=int(given["days"]))
        return {
            "name": given["name"],
            "scopes": given["scopes"],
            "expires_at": None if given["days"] == NO_END else end,
        }


class DissolveForm(Refusable):
    confirmed = forms.CharField(
        label="Type the organisation's name",
        max_length=MAX_NAME + 20,
        widget=forms.TextInput(PLAIN),
    )


def roles(makes_owners: bool) -> list[tuple[str, str]]:
    """The roles that the visitor may give, the least first."""
    offered = [OrgRole.MEMBER, OrgRole.MANAGER, *([OrgRole.OWNER] if makes_owners else [])]
    return [(role.value, str(role.label)) for role in offered]
