"""Looking at an address that perhaps nobody watches. A row of ``Address`` is followed."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Final

from django.db import transaction
from django.utils import timezone

from balances.models import Address, BackfillJob
from balances.services import addresses, seeding
from balances.signals import work_queued
from foundation import throttling
from foundation.commits import after_commit
from foundation.errors import RateLimited

# An address is kept for so long after it was last looked at, if nobody watches it.
FOLLOWED_FOR: Final = timedelta(hours=24)
# And so long where an operator had it followed for nobody in particular.
KEPT_FOR_NOBODY: Final = timedelta(days=36_500)
# Written anew only when so much of it has passed: a page that is opened often writes once.
WORN: Final = timedelta(hours=1)
OPENED: Final = 1
NEW_AN_HOUR: Final = 60
HOUR: Final = 3600
# By name, as watches and treasury addresses: more than one may watch, and still an end.
NEW_A_DAY: Final = 10_000
DAY: Final = 86_400


def look_up(address: str | bytes, *, by: int | None = None) -> Address:
    """The address, followed from now on for a while. What it holds fills in if nobody knew it.

    ``by``: whose look-up it is, the key of a user. Addresses that nobody here follows yet are work
    for the nodes, so that each user may begin ``NEW_AN_HOUR``. Raises ``InvalidInput`` for what is
    no address and ``RateLimited``. Asks no node.
    """
    raw = addresses.parse(address) if isinstance(address, str) else address
    now = timezone.now()
    found = Address.objects.filter(raw=raw).first()
    if found is None:
        if by is not None:
            _count_look_up(by)
        return _begin(raw, now)
    if found.looked_up_until is None or found.looked_up_until < now + FOLLOWED_FOR - WORN:
        # One that was forgotten meanwhile is a new one.
        kept = Address.objects.filter(pk=found.pk).update(looked_up_until=now + FOLLOWED_FOR)
        return found if kept else _begin(raw, now)
    return found


def count_new(by: int, raw: bytes) -> None:
    """Count an address that the user of that key wants followed for good, if nobody follows it yet.

    Taking it out and naming others does not end. Raises ``RateLimited``.
    """
    if Address.objects.filter(raw=raw).exists():
        return
    allowed, wait = throttling.take(f"watches:{by}", NEW_A_DAY, DAY)
    if not allowed:
        problem = (
            f"You added {NEW_A_DAY:,} addresses within a day that nobody here knew. Wait a while "
            "before the next new one."
        )
        raise RateLimited(problem, retry_after=max(ceil(wait or 0), 1))


def _count_look_up(user: int) -> None:
    allowed, wait = throttling.take(f"lookups:{user}", NEW_AN_HOUR, HOUR)
    if not allowed:
        problem = (
            f"You looked up {NEW_AN_HOUR} addresses within an hour that nobody here knew. Wait a "
            "while before the next new one; all others can be opened as before."
        )
        raise RateLimited(problem, retry_after=max(ceil(wait or 0), 1))


@transaction.atomic
def _begin(raw: bytes, now: datetime) -> Address:
    (address,) = seeding.follow([raw])
    address.looked_up_until = now + FOLLOWED_FOR
    address.save(update_fields=["looked_up_until"])
    # A page is open: it goes ahead of what an import has queued.
    BackfillJob.objects.waiting().filter(address=address).update(priority=OPENED)
    after_commit(work_queued.send, sender=Address)
    return address
