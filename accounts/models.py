"""Who can sign in."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """One person or service. A wallet user has neither e-mail nor password, only a random name."""


class WalletLabel(models.Model):
    """A user's name for a wallet. Not in the account, whose data each sign-in writes anew."""

    account = models.OneToOneField(
        SocialAccount, on_delete=models.CASCADE, primary_key=True, related_name="label"
    )
    text = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.text
