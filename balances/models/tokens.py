"""What addresses hold: the chain's own coin and ERC-20 tokens."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from balances.models.chains import Chain
from balances.querysets import TokenQuerySet


class Token(models.Model):
    """An asset of one chain; ``contract`` is empty for the native coin. Texts are strangers'."""

    class Status(models.TextChoices):
        LISTED = "listed"
        UNKNOWN = "unknown"
        SPAM = "spam"
        HIDDEN = "hidden"

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="tokens")
    contract = models.BinaryField(max_length=20, blank=True)
    symbol = models.CharField(max_length=32, blank=True)
    name = models.CharField(max_length=80, blank=True)
    # Null until asked for, or where the contract does not say: amounts are then base units.
    decimals = models.PositiveSmallIntegerField(null=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.UNKNOWN)
    # Its transfers do not add up to its balances: rebasing, or a fee on transfer.
    bugged_events = models.BooleanField(default=False)
    # How rates call it, for its value: ETH, USDC. Empty: no price is known.
    price_symbol = models.CharField(max_length=16, blank=True)
    asked_at = models.DateTimeField(null=True, help_text="When its contract was last asked.")

    objects: ClassVar[TokenQuerySet] = TokenQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "contract"], name="token_once")]

    def __str__(self) -> str:
        return self.symbol or f"0x{bytes(self.contract).hex()}"

    @property
    def is_native(self) -> bool:
        return not self.contract
