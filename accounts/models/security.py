"""What happened to an account, for its owner to read."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class SecurityEvent(models.Model):
    """One thing that happened.

    Rows are only ever added. The database refuses to change one, except to blot out where it came
    from, and to delete one while its user exists.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="security_events"
    )
    # One of ``EventKind``; no choices, so that a new kind is no migration.
    kind = models.CharField(max_length=24)
    at = models.DateTimeField(default=timezone.now)
    ip = models.GenericIPAddressField(null=True)
    # What the browser said it was, and what the event was about: a wallet, an address, a name.
    agent = models.CharField(max_length=200, blank=True)
    detail = models.CharField(max_length=254, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-id"], name="security_event_newest")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"
