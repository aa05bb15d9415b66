"""Questions that may be asked of organisations."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from orgs.models import (  # noqa: F401  # named in strings
        ApiKey,
        Invitation,
        Membership,
        Organisation,
    )

# Those who hold it see every organisation; members see their own.
SEES_ALL: Final = "orgs.view_organisation"


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    def visible_to(self, user: Any) -> Self:
        """Those the user belongs to; all of them for the desk's managers."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        return self.all() if user.has_perm(SEES_ALL) else self.of_member(user)

    def of_member(self, user: Any) -> Self:
        return self.filter(memberships__user=user)


class MembershipQuerySet(models.QuerySet["Membership"]):
    def for_display(self) -> Self:
        """With the people, those who joined first on top."""
        return self.select_related("user").order_by("id")


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self, now: datetime) -> Self:
        """Neither accepted nor expired."""
        return self.filter(accepted_at=None, expires_at__gt=now)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def last_used_before(self, moment: datetime) -> Self:
        return self.filter(Q(last_used_at=None) | Q(last_used_at__lte=moment))
