"""Top coins' work in the background. The timetable stands in ``config/settings.py``."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from rates.coins.services import refresh, retention


@shared_task(name="rates.coins.refresh_prices")
def refresh_prices() -> int:
    """Returns how many sources were asked; a second run at the same time asks none."""
    return len(refresh.refresh("price").asked)


@shared_task(name="rates.coins.refresh_ranks")
def refresh_ranks() -> int:
    return len(refresh.refresh("rank").asked)


@shared_task(name="rates.coins.forget_old")
def forget_old() -> int:
    """Returns how many rows of history were deleted."""
    return retention.forget_old(timezone.now())
