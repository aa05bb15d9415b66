"""Who may do what in an organisation, and what the desk's roles may see of all of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from accounts.services import roles
from accounts.services.roles import Role
from foundation.errors import Forbidden, NotFound
from orgs.models import Membership, Organisation, OrgRole
from orgs.querysets import SEES_ALL


class Act(StrEnum):
    """What can be done in an organisation."""

    VIEW = "view"
    # Invitations, members, domains, keys, the name.
    MANAGE = "manage"
    # Making and unmaking owners.
    OWN = "own"


MAY: Final = {
    OrgRole.OWNER: frozenset(Act),
    OrgRole.MANAGER: frozenset({Act.VIEW, Act.MANAGE}),
    OrgRole.MEMBER: frozenset({Act.VIEW}),
}
REFUSALS: Final = {
    Act.MANAGE: "Only owners and managers of the organisation may do this.",
    Act.OWN: "Only owners of the organisation may do this.",
}
# What each of the desk's roles begins with.
ROLES: Final = {
    Role.MANAGER: ("view_organisation",),
    Role.OPERATOR: ("view_organisation",),
    Role.ADMINISTRATOR: (
        "view_organisation",
        "change_organisation",
        "view_treasuryaddress",
        "view_apikey",
        "delete_apikey",
    ),
}


# The door that QUAYSIDE_OPEN_ENDPOINTS names.
METRICS_DOOR: Final = "metrics"


def reads_all(user: User | AnonymousUser) -> bool:
    """Whether the metrics of all organisations are for this user: for everybody, where open."""
    return metrics_open() or user.has_perm(SEES_ALL)


def metrics_open() -> bool:
    """Whether the metrics answer without credentials, as the replaced system's did."""
    return METRICS_DOOR in settings.OPEN_ENDPOINTS


def grant_roles() -> None:
    for role, codenames in ROLES.items():
        roles.grant(role, "orgs", codenames)


def role_in(user: User, org: Organisation) -> OrgRole | None:
    held = Membership.objects.filter(org=org, user=user).values_list("role", flat=True).first()
    return OrgRole(held) if held else None


def may(user: User, org: Organisation, act: Act) -> bool:
    """The desk's own people see every organisation, and change none by that."""
    role = role_in(user, org)
    if role is not None and act in MAY[role]:
        return True
    return act is Act.VIEW and user.has_perm(SEES_ALL)


def require(user: User, org: Organisation, act: Act) -> None:
    """Raise ``Forbidden`` unless the user may; ``NotFound`` for who may not even see it."""
    if may(user, org, act):
        return
    if not may(user, org, Act.VIEW):
        raise missing()
    raise Forbidden(REFUSALS[act])


def visible(user: User, slug: str) -> Organisation:
    """The organisation, or ``NotFound`` where there is none or it is not for this user to see."""
    found = Organisation.objects.visible_to(user).filter(slug=slug).first()
    if found is None:
        raise missing()
    return found


def missing() -> NotFound:
    return NotFound("There is no such organisation.")
