"""Who is told of changed coins by a call to an address of theirs, and what became of each call."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from rates.querysets import WebhookDeliveryQuerySet, WebhookQuerySet


class Webhook(models.Model):
    """An address to call, what for, and how calling it goes."""

    class Off(models.TextChoices):
        OWNER = "owner", "Switched off"
        FAILING = "failing", "Switched off after days of failures"
        GONE = "gone", "Switched off because the address answered 410 Gone"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.CharField(max_length=500)
    # A key of the topic ``coins:changed``: price, rank, or price>1%.
    key = models.CharField(max_length=16)
    # Signing needs the secret itself, so a digest would not do.
    secret = models.CharField(max_length=64)
    # Signs beside the new one until then, so that a receiver can change over in its own time.
    previous_secret = models.CharField(max_length=64, blank=True)
    previous_until = models.DateTimeField(null=True)
    off = models.CharField(max_length=8, blank=True, choices=Off.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    # Whoever claimed it calls it until then; a process that is killed leaves it to the next one.
    claimed_until = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    objects: ClassVar[WebhookQuerySet] = WebhookQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.key} to {self.url}"


class WebhookEvent(models.Model):
    """What is told, byte for byte, written in the transaction of the list that it tells of."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=16)
    version = models.PositiveBigIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key", "version"],
                condition=~Q(key="test"),
                name="webhookevent_once_a_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.version}"


class WebhookDelivery(models.Model):
    """One event on its way to one address, kept afterwards as the log."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Of the last attempt.
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=32, blank=True)
    took_ms = models.PositiveIntegerField(null=True)
    attempted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[WebhookDeliveryQuerySet] = WebhookDeliveryQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["webhook", "event"], name="webhookdelivery_once"),
        ]
        indexes = [
            models.Index(
                fields=["webhook", "id"],
                condition=Q(state="pending"),
                name="webhookdelivery_pending",
            ),
            models.Index(fields=["webhook", "-id"], name="webhookdelivery_log"),
            models.Index(fields=["created_at"], name="webhookdelivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.state}"


class CoinMoveBase(models.Model):
    """The prices that moves of a size are measured from: each coin's when it was last told."""

    threshold = models.CharField(max_length=4, primary_key=True)
    prices = models.JSONField()  # symbol to price, as text

    def __str__(self) -> str:
        return f"{self.threshold} per cent"
