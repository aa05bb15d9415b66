"""Who can sign in."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models

from accounts.constants import QUOTE_CURRENCIES
from accounts.validators import validate_printable, validate_time_zone


class User(AbstractUser):
    """One person or service. A wallet user has neither e-mail nor password, only a random name."""

    display_name = models.CharField(max_length=50, blank=True, validators=[validate_printable])
    # An IANA name; empty means that nobody chose one, and UTC is shown.
    time_zone = models.CharField(max_length=64, blank=True, validators=[validate_time_zone])
    quote_currency = models.CharField(
        max_length=3, default="USD", choices=[(code, code) for code in QUOTE_CURRENCIES]
    )

    def get_full_name(self) -> str:
        return self.display_name or super().get_full_name()
