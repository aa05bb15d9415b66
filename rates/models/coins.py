"""Top coins: who is asked for them, how that went, what was served, and by what names coins go."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from rates.querysets import CoinPointQuerySet, CoinSnapshotQuerySet, CoinSourceQuerySet


class CoinSource(models.Model):
    """A service that lists coins. Rows are made by a migration; only an adapter adds another."""

    class Name(models.TextChoices):
        COINMARKETCAP = "coinmarketcap", "CoinMarketCap"
        CRYPTOCOMPARE = "cryptocompare", "CryptoCompare"
        COINGECKO = "coingecko", "CoinGecko"

    name = models.CharField(max_length=16, choices=Name.choices, unique=True)
    enabled = models.BooleanField(default=True)
    price_position = models.PositiveSmallIntegerField(
        "order for prices",
        null=True,
        blank=True,
        help_text="The lowest healthy one gives prices. Empty: not used for prices.",
    )
    rank_position = models.PositiveSmallIntegerField(
        "order for ranks",
        null=True,
        blank=True,
        help_text="The lowest healthy one gives ranks. Empty: not used for ranks.",
    )
    rows = models.PositiveSmallIntegerField(
        default=500,
        validators=[MinValueValidator(10), MaxValueValidator(1000)],
        help_text="How many coins to ask for. More rows may cost more credits.",
    )
    monthly_credits = models.PositiveIntegerField(
        null=True, blank=True, help_text="What the plan allows in a calendar month. Empty: no end."
    )
    # Only names that end so: nobody shall send another secret of the process to a stranger.
    key_variable = models.CharField(
        "key's environment variable",
        max_length=64,
        blank=True,
        validators=[RegexValidator(r"^[A-Z][A-Z0-9_]*_API_KEY$", "Use a name such as X_API_KEY.")],
        help_text="The variable's name; the key itself is never stored.",
    )
    keyless = models.BooleanField(
        default=False, help_text="May be asked without a key where the variable is empty."
    )
    wire = models.CharField(
        "version",
        max_length=4,
        default="v3",
        choices=[("v1", "v1"), ("v3", "v3")],
        help_text="Which form of the interface to ask for; only CoinMarketCap has two.",
    )

    objects: ClassVar[CoinSourceQuerySet] = CoinSourceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.get_name_display()


class CoinSourceState(models.Model):
    """What came of asking a source: its last good rows, its failures, its credits."""

    source = models.OneToOneField(CoinSource, on_delete=models.CASCADE, related_name="state")
    # Lists as ``rates.coins.sources.listing.Listing`` packs them; prices are text.
    rows = models.JSONField(default=list)
    fetched_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=32, blank=True)
    message = models.CharField(max_length=300, blank=True)
    failed_at = models.DateTimeField(null=True)
    next_allowed_at = models.DateTimeField(null=True)
    month = models.CharField(max_length=7, blank=True)  # "2026-11", UTC
    credits = models.PositiveIntegerField(default=0)
    # What the service itself says that our key's plan allows in a month, read once a day.
    plan_credits = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.source}: {self.error or 'ok'}"


class CoinAlias(models.Model):
    """One source's name for a coin. Names with the same ``coin`` are the same coin."""

    source = models.ForeignKey(CoinSource, on_delete=models.CASCADE, related_name="aliases")
    key = models.CharField(
        "source's id",
        max_length=100,
        help_text="CoinMarketCap's id, CryptoCompare's id, or CoinGecko's id such as bitcoin.",
    )
    coin = models.CharField(
        max_length=64,
        db_index=True,
        validators=[RegexValidator(r"^[a-z0-9-]+$", "Use small letters, digits and hyphens.")],
        help_text="Our own name for it, the same for every source.",
    )

    class Meta:
        verbose_name_plural = "coin aliases"
        ordering = ["coin", "source"]
        constraints = [
            models.UniqueConstraint(fields=["source", "key"], name="coinalias_one_coin_per_key"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.key} is {self.coin}"


class CoinSnapshot(models.Model):
    """The list as last served in an hour; the newest row is what is served now."""

    hour = models.DateTimeField(unique=True)
    version = models.PositiveBigIntegerField()  # ms since 1970 when it was made; only rises
    as_of = models.DateTimeField()
    hash = models.CharField(max_length=64)
    rank_hash = models.CharField(max_length=64)
    body = models.JSONField()  # ``rates.coins.services.coin_list.CoinList`` without its version

    objects: ClassVar[CoinSnapshotQuerySet] = CoinSnapshotQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-hour"]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} h"


class CoinPoint(models.Model):
    """What a coin was at the end of an hour, for charts."""

    symbol = models.CharField(max_length=32)
    hour = models.DateTimeField()
    price = models.DecimalField(max_digits=40, decimal_places=20)  # USD
    rank = models.PositiveSmallIntegerField(null=True)  # not known of hours before ours
    # The source of an hour that was never served here; empty for our own.
    told_by = models.CharField(max_length=16, blank=True, default="", db_default="")

    objects: ClassVar[CoinPointQuerySet] = CoinPointQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["symbol", "hour"], name="coinpoint_one_an_hour"),
        ]
        indexes = [models.Index(fields=["hour"], name="coinpoint_hour")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.hour:%Y-%m-%d %H} h"
