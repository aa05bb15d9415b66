"""Top coins' work in the background. The timetable stands in ``config/settings.py``."""

from __future__ import annotations

import structlog
from celery import shared_task
from celery.signals import worker_ready
from django.utils import timezone
from kombu.exceptions import OperationalError

from rates.coins.services import board, history, plans, refresh, retention, webhook_delivery

logger = structlog.get_logger(__name__)


@shared_task(name="rates.coins.fetch_first")
def fetch_first() -> int:
    """While there is nothing to serve, do not wait for the minute; returns how many were asked."""
    asked = refresh.fetch_first()
    if asked:
        seed_history.apply_async(retry=False)
    return len(asked)


@shared_task(name="rates.coins.seed_history")
def seed_history() -> int:
    """Give the drawings of a new desk their first week; returns how many points were made."""
    shown = board.stored()
    return 0 if shown is None else history.seed(shown, timezone.now())


@worker_ready.connect
def begin_at_once(**kwargs: object) -> None:
    """Whichever process starts last, the first list is there seconds after it."""
    try:
        fetch_first.apply_async(expires=60, retry=False)
    except OperationalError as problem:
        logger.warning("coins wait for beat", error=repr(problem))


@shared_task(name="rates.coins.refresh_prices")
def refresh_prices() -> int:
    """Returns how many sources were asked; a second run at the same time asks none."""
    return _refresh("price")


@shared_task(name="rates.coins.refresh_ranks")
def refresh_ranks() -> int:
    return _refresh("rank")


@shared_task(name="rates.coins.deliver_webhooks", soft_time_limit=75)
def deliver_webhooks() -> int:
    """Returns how many calls were taken. Two at once call different addresses."""
    return webhook_delivery.deliver_due()


def _refresh(purpose: refresh.Purpose) -> int:
    outcome = refresh.refresh(purpose)
    if outcome.published is not None:
        deliver_soon()
    return len(outcome.asked)


def deliver_soon() -> None:
    try:
        deliver_webhooks.apply_async(expires=60, retry=False)
    except OperationalError as problem:
        # Beat asks every few seconds anyway.
        logger.warning("webhooks wait for beat", error=repr(problem))


@shared_task(name="rates.coins.read_plans")
def read_plans() -> int:
    """Returns how many sources told what their plan allows."""
    return len(plans.read_plans(timezone.now()))


@shared_task(name="rates.coins.forget_old")
def forget_old() -> int:
    """Returns how many rows of history were deleted."""
    return retention.forget_old(timezone.now())
