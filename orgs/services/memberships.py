"""Who belongs to an organisation. It never loses its last owner."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from foundation.errors import Conflict, NotFound
from orgs.models import Membership, Organisation, OrgRole
from orgs.services.rights import Act, require


@transaction.atomic
def change_role(*, org: Organisation, by: User, user_id: int, role: OrgRole) -> Membership:
    """Only owners make owners and unmake them.

    Raises ``Forbidden``, ``NotFound``, and ``Conflict`` for the last owner.
    """
    _serialise(org)
    membership = _of(org, user_id)
    touches_owner = OrgRole.OWNER in (role, membership.role)
    require(by, org, Act.OWN if touches_owner else Act.MANAGE)
    if role != OrgRole.OWNER:
        _keep_an_owner(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove(*, org: Organisation, by: User, user_id: int) -> None:
    """Take a member out; everybody may take themselves out.

    Raises ``Forbidden``, ``NotFound``, and ``Conflict`` for the last owner.
    """
    _serialise(org)
    membership = _of(org, user_id)
    if by.pk != user_id:
        require(by, org, Act.OWN if membership.role == OrgRole.OWNER else Act.MANAGE)
    _keep_an_owner(membership)
    membership.delete()


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
