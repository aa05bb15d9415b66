"""What users add to their wallets, which are allauth's social accounts."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from django.db import models


class WalletLabel(models.Model):
    """The name a user gave a wallet, in a row of its own: sign-ins rewrite the account's data."""

    account = models.OneToOneField(
        SocialAccount, on_delete=models.CASCADE, primary_key=True, related_name="label"
    )
    text = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.text
