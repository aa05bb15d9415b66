"""Who begins with which rights over the sources of coins."""

from __future__ import annotations

from typing import Final

from accounts.services import roles
from accounts.services.roles import Role

SEES: Final = ("view_coinsource", "view_coinalias")
KEEPS_ALIASES: Final = ("add_coinalias", "change_coinalias", "delete_coinalias")
ROLES: Final = {
    Role.OPERATOR: (*SEES, *KEEPS_ALIASES),
    Role.ADMINISTRATOR: (*SEES, *KEEPS_ALIASES, "change_coinsource"),
}


def grant_roles() -> None:
    for role, codenames in ROLES.items():
        roles.grant(role, "rates", codenames)
