"""Who may do what to spreads. Doors ask too; this is the lock behind them."""

from __future__ import annotations

from typing import Final

from accounts.models import User
from accounts.services import roles
from accounts.services.roles import Role
from foundation.errors import Forbidden

EDIT: Final = "rates.edit_spreads"
FAVOUR_CUSTOMER: Final = "rates.allow_negative_spread"
APPROVE: Final = "rates.approve_spreads"

REFUSALS: Final = {
    EDIT: "You may not change spreads.",
    FAVOUR_CUSTOMER: "You may not set a spread in the customer's favour.",
    APPROVE: "You may not approve spreads.",
}

SEES: Final = ("view_pair", "view_spreadrule", "view_pairhalt")
# What each role begins with; an administrator of the installation may change it later.
ROLES: Final = {
    Role.OPERATOR: (*SEES, "edit_spreads", "approve_spreads"),
    Role.ADMINISTRATOR: (*SEES, "add_pair", "change_pair"),
}


def grant_roles() -> None:
    for role, codenames in ROLES.items():
        roles.grant(role, "rates", codenames)


def require(user: User, permission: str) -> None:
    """Raise ``Forbidden`` unless ``user`` has ``permission``."""
    if not user.has_perm(permission):
        raise Forbidden(REFUSALS[permission])
