"""History that nobody asks for any more is deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from rates.models import CoinPoint, CoinSnapshot, WebhookDelivery, WebhookEvent

# Whole lists are for looking back at what was served; points are what charts draw.
KEEPS_LISTS: Final = timedelta(days=30)
KEEPS_POINTS: Final = timedelta(days=400)
KEEPS_CALLS: Final = timedelta(days=14)


def forget_old(now: datetime) -> int:
    """Returns how many rows were deleted."""
    return _old_lists(now) + _old_calls(now)


def _old_calls(now: datetime) -> int:
    ended = WebhookDelivery.objects.exclude(state=WebhookDelivery.State.PENDING)
    calls, _ = ended.filter(created_at__lt=now - KEEPS_CALLS).delete()
    events = WebhookEvent.objects.filter(created_at__lt=now - KEEPS_CALLS, deliveries=None)
    return calls + events.delete()[0]


def _old_lists(now: datetime) -> int:
    newest = CoinSnapshot.objects.newest()
    if newest is None:
        return 0
    # However old, the newest list is the one that is served.
    old = CoinSnapshot.objects.filter(hour__lt=now - KEEPS_LISTS).exclude(pk=newest.pk)
    lists, _ = old.delete()
    points, _ = CoinPoint.objects.filter(hour__lt=now - KEEPS_POINTS).delete()
    return lists + points
