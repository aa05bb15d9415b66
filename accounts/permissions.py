"""Which tokens may do what. Sessions are not limited by scopes; rights limit both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, Scope

if TYPE_CHECKING:
    # DRF's views load this module by name while they load themselves.
    from rest_framework.views import APIView


class Scoped(BasePermission):
    """Refuses tokens without the scope that the view names in ``token_scope``.

    A view that names none lets tokens with ``read`` read, and no token write.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        needed = scope_needed(view, request.method or "")
        if needed is None:
            raise PermissionDenied("Tokens may not do this; sign in.", code="session_required")
        if needed not in token.scopes:
            problem = f"This needs a token with the scope {needed}."
            raise PermissionDenied(problem, code="insufficient_scope")
        return True


def scope_needed(view: APIView, method: str) -> Scope | None:
    """The scope for ``method`` at a view that is not public; ``None`` where no token passes."""
    default = Scope.READ if method in SAFE_METHODS else None
    named: Scope | None = getattr(view, "token_scope", default)
    return named


def is_public(view: APIView) -> bool:
    return any(isinstance(permission, AllowAny) for permission in view.get_permissions())
