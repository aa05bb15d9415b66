"""Addresses that are followed for somebody who is no user."""

from __future__ import annotations

from django.db import transaction

from balances.models import Keep
from balances.services import seeding
from balances.signals import work_queued
from foundation.commits import after_commit


@transaction.atomic
def keep(raw: bytes, keeper: str) -> None:
    """Follow the address (20 bytes) until ``keeper`` lets it go. Harmless when repeated."""
    (found,) = seeding.follow([raw])
    Keep.objects.get_or_create(address=found, keeper=keeper)
    after_commit(work_queued.send, sender=Keep)


def let_go(raw: bytes, keeper: str) -> None:
    """The address is forgotten in time, unless somebody else wants it."""
    Keep.objects.filter(address__raw=raw, keeper=keeper).delete()
