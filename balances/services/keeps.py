"""Addresses that are followed for somebody who is no user."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from balances.models import Address, Keep
from balances.services import seeding
from balances.signals import work_queued


@transaction.atomic
def keep(raw: bytes, keeper: str) -> None:
    """Follow the address (20 bytes) until ``keeper`` lets it go. Harmless when repeated."""
    while True:
        seeding.watch_addresses([raw])
        # Locked, so that whoever forgets addresses either leaves it or is done with it.
        found = Address.objects.select_for_update(no_key=True).filter(raw=raw).first()
        if found is not None:
            break
    Keep.objects.get_or_create(address=found, keeper=keeper)
    transaction.on_commit(partial(work_queued.send, sender=Keep), robust=True)


def let_go(raw: bytes, keeper: str) -> None:
    """The address is forgotten in time, unless somebody else wants it."""
    Keep.objects.filter(address__raw=raw, keeper=keeper).delete()
