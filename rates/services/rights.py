"""Who may do what to spreads. Doors ask too; this is the lock behind them."""

from __future__ import annotations

from typing import Final

from accounts.models import User
from foundation.errors import Forbidden

EDIT: Final = "rates.edit_spreads"
FAVOUR_CUSTOMER: Final = "rates.allow_negative_spread"
APPROVE: Final = "rates.approve_spreads"

REFUSALS: Final = {
    EDIT: "You may not change spreads.",
    FAVOUR_CUSTOMER: "You may not set a spread in the customer's favour.",
    APPROVE: "You may not approve spreads.",
}


def require(user: User, permission: str) -> None:
    """Raise ``Forbidden`` unless ``user`` has ``permission``."""
    if not user.has_perm(permission):
        raise Forbidden(REFUSALS[permission])
