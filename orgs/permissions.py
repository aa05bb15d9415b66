"""What a credential lets a program do for organisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, Scope
from orgs.models import ApiKey, KeyScope, Membership, OrgRole

if TYPE_CHECKING:
    # DRF's views load this module by name while they load themselves.
    from rest_framework.views import APIView

DOOR = "events"
NEEDS_SCOPE = "This needs the scope events."


class SendsEvents(BasePermission):
    """An organisation's key or a user's token, with the scope ``events``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        held = request.auth
        if not isinstance(held, (ApiKey, ApiToken)):
            raise NotAuthenticated
        if isinstance(held, ApiKey):
            allowed = KeyScope.EVENTS in held.scopes
        else:
            allowed = Scope.EVENTS in held.scopes
        if not allowed:
            raise PermissionDenied(NEEDS_SCOPE, code="insufficient_scope")
        return True


class SendsEventsOrOpen(SendsEvents):
    """Whoever comes without a credential passes where ``QUAYSIDE_OPEN_ENDPOINTS`` says so."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_open = request.auth is None and DOOR in settings.OPEN_ENDPOINTS
        return is_open or super().has_permission(request, view)


def orgs_of(credential: object) -> frozenset[int]:
    """The organisations that the holder of a credential sends actions for.

    An action may name any person, so it is for those who manage the organisation.
    """
    if isinstance(credential, ApiKey):
        return frozenset({credential.org_id})
    if isinstance(credential, ApiToken):
        mine = Membership.objects.filter(
            user_id=credential.user_id, role__in=(OrgRole.OWNER, OrgRole.MANAGER)
        )
        return frozenset(mine.values_list("org_id", flat=True))
    return frozenset()
