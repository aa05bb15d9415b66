"""Clearing away what visitors leave behind."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from accounts.ethereum.services import nonces
from accounts.services import devices


@shared_task(name="accounts.purge_expired")
def purge_expired() -> int:
    """Delete expired nonces and sessions; return how many nonces. Harmless to repeat."""
    call_command("clearsessions")
    devices.forget_expired()
    return nonces.purge(now=timezone.now())
