"""What the desk adds to the market's prices: versions that are never changed, only followed."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from rates.models.pairs import Pair
from rates.querysets import SpreadRuleQuerySet


class PriceTier(models.Model):
    """A group of customers that sees the same prices. There is one, ``public``, for now."""

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="pricetier_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SpreadRule(models.Model):
    """One version of one pair's spread, or of the house default when ``pair`` is empty.

    Offsets are signed and belong to a side as the customer sees it: ``buy`` is added to the ask
    and normally positive, ``sell`` is added to the bid and normally negative. The rows of a
    pair are its audit trail; a trigger refuses to change their values or to delete them. In
    force at a moment is the active row with ``effective_from <= moment < effective_to``; there
    is one at most. The open row (active, without an end) is the newest decision, which may lie
    in the future.
    """

    class Unit(models.TextChoices):
        BPS = "bps", "basis points"
        ABSOLUTE = "absolute", "quote currency"

    class Status(models.TextChoices):
        PENDING = "pending", "waiting for a second person"
        ACTIVE = "active", "active"
        SUPERSEDED = "superseded", "superseded"
        REJECTED = "rejected", "rejected"

    class Origin(models.TextChoices):
        ADMIN = "admin", "admin"
        API = "api", "API"
        BULK = "bulk", "bulk change"
        REVERT = "revert", "revert"
        SEED = "seed", "first set-up"

    pair = models.ForeignKey(
        Pair, on_delete=models.PROTECT, null=True, blank=True, related_name="spread_rules"
    )
    tier = models.ForeignKey(PriceTier, on_delete=models.PROTECT, related_name="+")
    unit = models.CharField(max_length=8, choices=Unit.choices, default=Unit.BPS)
    buy = models.DecimalField(max_digits=24, decimal_places=12)
    sell = models.DecimalField(max_digits=24, decimal_places=12)
    min_bps = models.DecimalField(max_digits=12, decimal_places=4, default=0)
    max_bps = models.DecimalField(max_digits=12, decimal_places=4, default=500)
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    # Drawn from one sequence for all pairs under a lock, so that numbers rise in commit order.
    version = models.PositiveBigIntegerField(unique=True)
    supersedes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=500)
    origin = models.CharField(max_length=8, choices=Origin.choices)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # A pending version has drawn its number already; its approval draws another, so that the
    # table's number rises when the version comes into force and not when it was proposed.
    approval_version = models.PositiveBigIntegerField(null=True, blank=True, unique=True)
    rejected_at = models.DateTimeField(null=True, blank=True)
    rejected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    rejection = models.CharField(max_length=500, blank=True)

    objects: ClassVar[SpreadRuleQuerySet] = SpreadRuleQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-version"]
        permissions = [
            ("edit_spreads", "Can change spreads, halt and resume pairs"),
            ("allow_negative_spread", "Can set a spread in the customer's favour"),
            ("approve_spreads", "Can approve a spread that somebody else entered"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="spread_has_reason"),
            models.CheckConstraint(
                condition=Q(
                    min_bps__gt=-10_000,
                    min_bps__lte=F("max_bps"),
                    max_bps__gte=0,
                    max_bps__lt=10_000,
                ),
                name="spread_clamp_in_order",
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("created_by")),
                name="spread_approved_by_another",
            ),
            models.CheckConstraint(
                condition=Q(pair__isnull=False) | Q(unit="bps"), name="spread_house_default_in_bps"
            ),
            models.CheckConstraint(
                condition=Q(effective_to__isnull=True) | Q(effective_to__gte=F("effective_from")),
                name="spread_ends_after_start",
            ),
            models.UniqueConstraint(
                fields=["pair", "tier"],
                condition=Q(status="active", effective_to__isnull=True),
                nulls_distinct=False,
                name="spread_one_open_version",
            ),
            models.CheckConstraint(
                condition=Q(status="rejected", rejected_at__isnull=False)
                | ~Q(status="rejected") & Q(rejected_at__isnull=True),
                name="spread_rejection_is_dated",
            ),
        ]
        indexes = [models.Index(fields=["pair", "-version"], name="spread_history")]

    def __str__(self) -> str:
        return f"{self.pair or 'house default'} v{self.version}"
