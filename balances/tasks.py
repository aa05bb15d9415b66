"""The work on chains in the background. The timetable stands in ``config/settings.py``.

The rows are the queue: jobs carry leases, so a message may be lost, late or delivered twice. One
that is late is dropped by its expiry, and one that fails waits for its next turn.
"""

from __future__ import annotations

import time
from typing import Any, Final

from celery import shared_task
from django.utils import timezone

from balances.models import BackfillJob
from balances.services import backfill, dating, upkeep
from balances.signals import work_queued

# Seconds: what somebody waits for, and what fills in the past.
HOT: Final[dict[str, Any]] = {"soft_time_limit": 50, "time_limit": 60, "acks_late": True}
BACKFILL: Final[dict[str, Any]] = {"soft_time_limit": 600, "time_limit": 660, "acks_late": True}

# Seconds of a turn in which something new is begun: readings first, then also times.
READINGS: Final = 7.0
TURN: Final = 10.0

SOON: Final = (BackfillJob.Kind.READ, BackfillJob.Kind.SEED)
LATER: Final = (*SOON, BackfillJob.Kind.HISTORY, BackfillJob.Kind.BLOCKS)


@shared_task(name="balances.read_at_block", **HOT)
def read_at_block() -> int:
    """What an open page waits for: first readings, readings of the past, blocks of a time.

    For a few seconds: what is left then waits for its next turn behind all others, so that no node
    that is slow and no import keeps the worker.
    """
    begun = time.monotonic()
    done = backfill.run_due(100, kinds=SOON, until=begun + READINGS)
    done += dating.find_wanted(until=begun + TURN)
    if time.monotonic() >= begun + READINGS:
        work_queued.send(sender=BackfillJob)
    return done


@shared_task(name="balances.backfill_dispatch", **BACKFILL)
def backfill_dispatch() -> int:
    """A few of the jobs that wait, left-behind ones too; what somebody waits for goes first."""
    return backfill.run_due(20, kinds=LATER)


@shared_task(name="balances.token_metadata", **HOT)
def token_metadata() -> int:
    """Ask contracts that were seen for the first time what they are called."""
    return upkeep.each_chain(upkeep.name_tokens)


@shared_task(name="balances.probe_endpoints", **HOT)
def probe_endpoints(full: bool = False) -> int:
    """Ask every endpoint whether it is there; with ``full``, everything that it can do."""
    return upkeep.probe_endpoints(full=full)


@shared_task(name="balances.check_head_age", **HOT)
def check_head_age() -> int:
    """Raise an alarm for chains that stand still; return how many do."""
    return upkeep.check_heads(timezone.now())


@shared_task(name="balances.finalize", **HOT)
def finalize() -> int:
    return upkeep.each_chain(upkeep.finalize)


@shared_task(name="balances.sweep_native", **BACKFILL)
def sweep_native() -> int:
    """Read a slice of what changes without a transfer to tell of it."""
    return upkeep.each_chain(upkeep.sweep)


@shared_task(name="balances.reconcile_sample", **BACKFILL)
def reconcile_sample() -> int:
    """Compare one balance in a hundred with the chain; return how many differ."""
    return upkeep.each_chain(upkeep.reconcile)


@shared_task(name="balances.prune", **BACKFILL)
def prune() -> int:
    return upkeep.prune(timezone.now())
