"""The desk's roles. A role is a group; which rights it has is for each app to say, of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet

from accounts.models import User


class Role(StrEnum):
    """The values are names of groups."""

    CUSTOMER = "Customers"
    OPERATOR = "Operators"
    MANAGER = "Managers"
    ADMINISTRATOR = "Administrators"


# Role to the rights that it begins with, as "app.codename".
RIGHTS: Final[defaultdict[Role, set[str]]] = defaultdict(set)


def grant(role: Role, app: str, codenames: Iterable[str]) -> None:
    """Say that ``role`` begins with these rights of ``app``. For the app's ``ready()``."""
    RIGHTS[role] |= {f"{app}.{codename}" for codename in codenames}


def grant_own() -> None:
    """Administrators manage people. Which rights a group has is for superusers."""
    people = ("view_user", "add_user", "change_user", "view_securityevent")
    grant(Role.ADMINISTRATOR, "accounts", people)
    grant(Role.ADMINISTRATOR, "accounts", ("view_apitoken", "delete_apitoken"))
    grant(Role.ADMINISTRATOR, "auth", ("view_group",))


def holds(user: User, role: Role) -> bool:
    """Whether the user may do, not only see, something that the role may, by whichever group."""
    acts = (right for right in RIGHTS[role] if ".view_" not in right)
    return any(user.has_perm(right) for right in acts)


def join(user: User, role: Role) -> None:
    group, _ = Group.objects.get_or_create(name=role)
    user.groups.add(group)


def settle(app: AppConfig) -> None:
    """After a migration of ``app``: the roles that it names exist and hold its rights.

    Only rights that are new are given, so what an administrator took away stays away; a group
    that is new has all that every app named.
    """
    known = set(_rights_of(app.label).values_list("pk", flat=True))
    # Permissions are rows that django.contrib.auth adds after us.
    create_permissions(app, verbosity=0)
    for role in Role:
        if codenames := _codenames(role, app.label):
            group, created = Group.objects.get_or_create(name=role)
            if created:
                _give_all(group, role)
            wanted = _rights_of(app.label).filter(codename__in=codenames)
            group.permissions.add(*wanted.exclude(pk__in=known))


def _give_all(group: Group, role: Role) -> None:
    for label in {right.split(".")[0] for right in RIGHTS[role]}:
        group.permissions.add(*_rights_of(label).filter(codename__in=_codenames(role, label)))


def make_groups() -> None:
    """Roles without any right are groups too."""
    for role in Role:
        Group.objects.get_or_create(name=role)


def _codenames(role: Role, app_label: str) -> list[str]:
    split = (right.split(".") for right in RIGHTS[role])
    return [codename for app, codename in split if app == app_label]


def _rights_of(app_label: str) -> QuerySet[Permission]:
    return Permission.objects.filter(content_type__app_label=app_label)
