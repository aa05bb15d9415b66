"""Delivering mail in the background."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from foundation import mail

logger = structlog.get_logger(__name__)


@shared_task(name="foundation.deliver_mail")
def deliver_mail() -> int:
    """Harmless to repeat: what was taken is gone."""
    return mail.deliver_due()


@receiver(mail.mail_waiting)
def deliver_soon(**kwargs: object) -> None:
    try:
        deliver_mail.apply_async(retry=False, expires=60)
    except OperationalError as problem:
        # Beat asks every few seconds anyway.
        logger.warning("mail waits for beat", error=repr(problem))
