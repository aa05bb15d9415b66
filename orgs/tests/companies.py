"""Organisations and people as the tests need them."""

from __future__ import annotations

from accounts.models import User
from accounts.services import roles
from accounts.services.roles import Role
from accounts.tests.people import make_user
from orgs.models import Membership, Organisation, OrgRole, Stat


def make_org(
    name: str = "Acme Harbour", *, actions: int = 0, owner: User | None = None
) -> Organisation:
    org = Organisation.objects.create(name=name, slug=name.lower().replace(" ", "-"))
    Stat.objects.create(org_id=org.pk, actions=actions)
    if owner is not None:
        Membership.objects.create(org=org, user=owner, role=OrgRole.OWNER)
    return org


def make_member(org: Organisation, role: OrgRole, name: str) -> User:
    user = make_user(name)
    Membership.objects.create(org=org, user=user, role=role)
    return user


def make_desk_manager(name: str = "desk-manager") -> User:
    """Somebody of the desk who sees every organisation."""
    user = make_user(name)
    roles.join(user, Role.MANAGER)
    return user
