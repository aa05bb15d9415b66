"""What else than memberships organisations keep about a person: given to them, and blotted out."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.db.models import F, Q

from orgs.models import ApiKey, Invitation


def exported(user_id: int) -> dict[str, Any]:
    """Sections of plain values. Addresses of those whom they invited are not theirs to take."""
    keys = ApiKey.objects.filter(created_by=user_id).order_by("pk")
    invitations = Invitation.objects.filter(Q(created_by=user_id) | Q(accepted_by=user_id))
    organisation = F("org__name")
    return {
        "organisation_keys": list(
            keys.values("name", "prefix", "scopes", "created_at", organisation=organisation)
        ),
        "invitations": list(
            invitations.order_by("pk").values(
                "role", "created_at", "accepted_at", organisation=organisation
            )
        ),
    }


def forget(user_id: int) -> None:
    """Addresses of theirs that were invited go, whoever wrote them.

    To be called while their addresses are still known.
    """
    mine = Q(accepted_by=user_id)
    for address in EmailAddress.objects.filter(user=user_id).values_list("email", flat=True):
        mine |= Q(email__iexact=address)
    # An open one is withdrawn: without its address anybody with the link could take it.
    Invitation.objects.filter(mine, accepted_at=None).delete()
    Invitation.objects.filter(mine).update(email="")
