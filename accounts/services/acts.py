"""What people do here, told to whoever counts it."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from accounts.signals import user_acted


def note(user: Any, name: str, about: str = "") -> None:
    """Tell that ``user`` did something; of nobody in particular nothing is told.

    Call it where the act has succeeded. A receiver's failure is logged and goes no further.
    """
    if user.is_authenticated:
        user_acted.send_robust(sender=User, user_id=user.pk, name=name, about=about)
