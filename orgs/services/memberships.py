"""Who belongs to an organisation. It never loses its last owner."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from accounts.constants import EventKind
from accounts.models import User
from foundation.errors import Conflict, NotFound
from orgs.models import Invitation, Membership, Organisation, OrgRole
from orgs.services import acts
from orgs.services.rights import Act, require

# Upwards.
RANKS: Final = (OrgRole.MEMBER, OrgRole.MANAGER, OrgRole.OWNER)
# Organisations that one refusal names.
NAMED: Final = 5


@transaction.atomic
def change_role(*, org: Organisation, by: User, user_id: int, role: OrgRole) -> Membership:
    """Only owners make owners and unmake them. Who loses rights loses their open invitations too.

    Raises ``Forbidden``, ``NotFound``, and ``Conflict`` for the last owner.
    """
    _serialise(org)
    membership = _of(org, user_id)
    touches_owner = OrgRole.OWNER in (role, membership.role)
    require(by, org, Act.OWN if touches_owner else Act.MANAGE)
    if role != OrgRole.OWNER:
        _keep_an_owner(membership)
    before = OrgRole(membership.role)
    membership.role = role
    membership.save(update_fields=["role"])
    if RANKS.index(role) < RANKS.index(before):
        _end_invitations(org, user_id)
    if role != before:
        detail = f"user {user_id} is {role} now, was {before}"
        acts.note(org=org, by=by, kind=EventKind.ORG_ROLE_CHANGED, detail=detail, to=user_id)
    return membership


@transaction.atomic
def remove(*, org: Organisation, by: User, user_id: int) -> None:
    """Take a member out, and end the invitations they made; everybody may take themselves out.

    Raises ``Forbidden``, ``NotFound``, and ``Conflict`` for the last owner.
    """
    _serialise(org)
    membership = _of(org, user_id)
    if by.pk != user_id:
        require(by, org, Act.OWN if membership.role == OrgRole.OWNER else Act.MANAGE)
    _keep_an_owner(membership)
    membership.delete()
    _end_invitations(org, user_id)
    detail = f"user {user_id}, was {membership.role}"
    acts.note(org=org, by=by, kind=EventKind.ORG_MEMBER_REMOVED, detail=detail, to=user_id)


def of_user(user_id: int) -> list[dict[str, Any]]:
    """The user's memberships as plain values, for them to take away."""
    rows = Membership.objects.filter(user=user_id).select_related("org").order_by("id")
    return [
        {
            "organisation": row.org.name,
            "slug": row.org.slug,
            "role": row.role,
            "since": row.joined_at,
        }
        for row in rows
    ]


def require_other_owners(user_id: int) -> None:
    """For who is about to leave all of their organisations. Holds those they own until then.

    Raises ``Conflict`` where one would be left without an owner.
    """
    owned = Membership.objects.filter(user=user_id, role=OrgRole.OWNER).values("org")
    # In one order, so that two owners who go at once wait, and do not deadlock.
    orgs = Organisation.objects.filter(pk__in=owned).order_by("pk").select_for_update()
    alone = [
        org.name
        for org in orgs
        if not org.memberships.filter(role=OrgRole.OWNER).exclude(user=user_id).exists()
    ]
    if alone:
        named = ", ".join(alone[:NAMED]) + (" and others" if len(alone) > NAMED else "")
        problem = f"You are the only owner of {named}. Name another owner, or delete it, first."
        raise Conflict(problem, code="last_owner")


def forget(user_id: int) -> None:
    """The account is closed, and its row stays without a name."""
    Membership.objects.filter(user=user_id).delete()
    now = timezone.now()
    Invitation.objects.open(now).filter(created_by=user_id).update(expires_at=now)


def _end_invitations(org: Organisation, user_id: int) -> None:
    """A link that somebody kept would let them in again, or hand on rights they have lost."""
    now = timezone.now()
    org.invitations.open(now).filter(created_by=user_id).update(expires_at=now)


def _serialise(org: Organisation) -> None:
    """Two owners who leave at once must not both believe that the other one stays."""
    Organisation.objects.select_for_update().get(pk=org.pk)


def _of(org: Organisation, user_id: int) -> Membership:
    membership = Membership.objects.filter(org=org, user_id=user_id).select_related("user").first()
    if membership is None:
        raise NotFound("This organisation has no such member.")
    return membership


def _keep_an_owner(membership: Membership) -> None:
    if membership.role != OrgRole.OWNER:
        return
    owners = Membership.objects.filter(org=membership.org_id, role=OrgRole.OWNER)
    if not owners.exclude(pk=membership.pk).exists():
        raise Conflict("An organisation needs an owner: name another one first.", code="last_owner")
