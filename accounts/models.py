"""Who can sign in."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """One person or service. A wallet user has neither e-mail nor password, only a random name."""


class WalletLabel(models.Model):
    """The name a user gave a wallet. A row of its own: each sign-in writes the account's data anew."""

    account = models.OneToOneField(
        SocialAccount, on_delete=models.CASCADE, primary_key=True, related_name="label"
    )
    text = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.text
