"""What can be quoted, and what an operator has halted."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from rates.querysets import PairQuerySet

# The exchange's REST names still say XBT and XDG; its websocket, and we, do not (rates.md fact 4).
LEGACY_ASSETS = {"XBT": "BTC", "XDG": "DOGE"}


class Pair(models.Model):
    """Two assets quoted against each other, for example ``BTC_USD``."""

    code = models.CharField(
        max_length=32,
        unique=True,
        validators=[RegexValidator(r"^[A-Z0-9]+_[A-Z0-9]+$", "Use the form BTC_USD.")],
        help_text="Base and quote, for example BTC_USD.",
    )
    base = models.CharField(max_length=16)
    quote = models.CharField(max_length=16)
    ws_symbol = models.CharField("exchange symbol", max_length=32, unique=True)
    rest_key = models.CharField("exchange REST name", max_length=32, blank=True)
    tick_size = models.DecimalField(
        max_digits=24,
        decimal_places=12,
        help_text="The smallest step of a customer price, in the quote currency.",
    )
    price_decimals = models.PositiveSmallIntegerField(help_text="Places shown after the point.")
    enabled = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=100, help_text="Order on the board.")
    max_age_quiet = models.PositiveIntegerField(
        "longest quiet time",
        default=600,
        validators=[MinValueValidator(5)],
        help_text="Seconds without a tick after which a pair counts as stale on a live connection.",
    )
    max_jump_bps = models.PositiveIntegerField(
        "largest believable jump",
        default=500,
        validators=[MinValueValidator(1)],
        help_text="A larger change of the mid price, in basis points, is held until it repeats.",
    )
    # Drawn from the sequence that numbers spread versions: the feed reloads when it rises.
    revision = models.PositiveBigIntegerField(default=0, editable=False)
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[PairQuerySet] = PairQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["position", "code"]
        constraints = [
            models.CheckConstraint(condition=models.Q(tick_size__gt=0), name="pair_tick_positive"),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        for side in (self.base, self.quote):
            if side in LEGACY_ASSETS:
                raise ValidationError(
                    {"code": f"Write {LEGACY_ASSETS[side]}: {side} is the exchange's old name."}
                )
        if self.code != f"{self.base}_{self.quote}":
            raise ValidationError({"code": "The code is the base, an underscore and the quote."})


class PairHalt(models.Model):
    """Append-only: somebody stopped or resumed quoting a pair. The newest row holds."""

    class Action(models.TextChoices):
        HALT = "halt", "Halt"
        RESUME = "resume", "Resume"

    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="halts")
    action = models.CharField(max_length=8, choices=Action.choices)
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    at = models.DateTimeField()
    version = models.PositiveBigIntegerField(unique=True)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="pairhalt_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.pair} {self.action}"
