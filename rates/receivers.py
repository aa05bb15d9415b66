"""What happens after a migration: the operators' group exists."""

from __future__ import annotations

from typing import Any, Final

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

OPERATORS: Final = "Operators"
RIGHTS: Final = ("view_pair", "view_spreadrule", "view_pairhalt", "edit_spreads", "approve_spreads")


def ensure_operators(sender: AppConfig, **kwargs: Any) -> None:
    """Make the group once; what an administrator changes in it later is left alone."""
    # Permissions are rows that django.contrib.auth adds after us.
    create_permissions(sender, verbosity=0)
    group, created = Group.objects.get_or_create(name=OPERATORS)
    if created:
        group.permissions.set(
            Permission.objects.filter(content_type__app_label="rates", codename__in=RIGHTS)
        )
