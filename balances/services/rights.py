"""Who may see and change what about chains in the admin. Who watches what is not for everybody."""

from __future__ import annotations

from typing import Final

from accounts.services import roles
from accounts.services.roles import Role

SEES: Final = (
    "view_chain",
    "view_rpcendpoint",
    "view_token",
    "view_backfilljob",
    "view_reorgevent",
)
# What each role begins with; an administrator of the installation may change it later.
ROLES: Final = {
    Role.OPERATOR: (*SEES, "change_token", "change_backfilljob"),
    Role.ADMINISTRATOR: (
        *SEES,
        "view_watch",
        "add_chain",
        "change_chain",
        "add_rpcendpoint",
        "change_rpcendpoint",
        "delete_rpcendpoint",
    ),
}


def grant_roles() -> None:
    for role, codenames in ROLES.items():
        roles.grant(role, "balances", codenames)
