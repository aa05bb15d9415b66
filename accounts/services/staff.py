"""What administrators do to other people's accounts, with a line in the log that these can read."""

from __future__ import annotations

from django.db import transaction

from accounts.constants import EventKind
from accounts.models import User
from accounts.services import devices, security_log

BY: str = "by an administrator"


@transaction.atomic
def password_was_set(user: User) -> None:
    """Whoever knew the old one is signed out everywhere."""
    security_log.record(user_id=user.pk, kind=EventKind.PASSWORD_CHANGED, detail=BY)
    devices.end_others(user, current_key=None)


@transaction.atomic
def was_switched(user: User) -> None:
    """``is_active`` has changed. Who is switched off is signed out at once."""
    kind = EventKind.SWITCHED_ON if user.is_active else EventKind.SWITCHED_OFF
    security_log.record(user_id=user.pk, kind=kind, detail=BY)
    if not user.is_active:
        devices.end_others(user, current_key=None)


def roles_were_changed(user: User) -> None:
    names = ", ".join(user.groups.order_by("name").values_list("name", flat=True)) or "none"
    security_log.record(user_id=user.pk, kind=EventKind.ROLES_CHANGED, detail=f"{names}, {BY}")
