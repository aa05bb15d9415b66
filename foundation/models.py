"""What every app may need to keep until it is done."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class OutgoingMail(models.Model):
    """A mail on its way, written in the transaction of whatever it tells of.

    It is deleted when a server has taken it, so the one-time links in it stand here for seconds.
    """

    # What ``EmailMultiAlternatives`` is made from: subject, body, from_email, to, cc, bcc,
    # reply_to, headers, alternatives.
    message = models.JSONField()
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="mail_due")]

    def __str__(self) -> str:
        return f"mail {self.pk}, {self.attempts} attempts"
