"""Who can sign in."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """One person or service. A wallet user has neither e-mail nor password, only a random name."""
