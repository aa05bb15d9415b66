"""The rates' work in the background. The timetable stands in ``config/settings.py``.

A task that is late is dropped by its expiry, and one that fails waits for its next turn: nothing
here is lost by being done later.
"""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from rates.feeds.kraken_rest import ExchangeUnavailable
from rates.services import candle_partitions, candle_store, pairs


@shared_task(name="rates.store_closed_candles")
def store_closed_candles() -> int:
    """Move finished minutes into the table; a second run at the same time does nothing."""
    return candle_store.store_closed()


@shared_task(name="rates.keep_candle_partitions")
def keep_candle_partitions() -> None:
    candle_partitions.keep_partitions(timezone.now())


# The next turn is a day away, so an exchange that is down for an hour is asked a few times more.
@shared_task(
    name="rates.sync_pair_metadata",
    autoretry_for=(ExchangeUnavailable,),
    max_retries=4,
    retry_backoff=60,
    retry_backoff_max=3600,
)
def sync_pair_metadata() -> int:
    """Take over what the exchange says of its pairs; returns how many facts changed."""
    return len(pairs.sync_pairs())
