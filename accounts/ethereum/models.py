"""Nonces: each is worth one attempt, in one session, for one purpose."""

from __future__ import annotations

from django.db import models

from accounts.ethereum.constants import Purpose


class WalletNonce(models.Model):
    """Lives five minutes. ``consumed_at`` is set by the attempt, whatever became of it."""

    nonce = models.CharField(max_length=32, primary_key=True)
    session_key_hash = models.CharField(max_length=64)
    purpose = models.CharField(max_length=7, choices=[(p.value, p.value) for p in Purpose])
    expires_at = models.DateTimeField(db_index=True)
    consumed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "wallet nonce"

    def __str__(self) -> str:
        return f"{self.purpose} until {self.expires_at:%H:%M:%S}"
