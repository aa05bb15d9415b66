"""Readings of the past that somebody waits for, as jobs of the worker that may ask nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from django.db import transaction

from balances.models import Address, BackfillJob, Chain, Token
from balances.signals import work_queued

# So many may wait for one chain; whoever asks for more is told to come back.
MAX_WAITING: Final = 1_000
OPENED: Final = 0


@transaction.atomic
def queue(
    address: Address, chain: Chain, number: int | None, tokens: Sequence[Token | None]
) -> bool:
    """``None`` among ``tokens``: everything that is known of the address. False where too much
    waits already."""
    waiting = BackfillJob.objects.waiting().filter(chain=chain, kind=BackfillJob.Kind.READ)
    if waiting.count() + len(tokens) > MAX_WAITING:
        return False
    jobs = [
        BackfillJob(
            chain=chain,
            kind=BackfillJob.Kind.READ,
            address=address,
            token=token,
            from_block=number,
            to_block=number,
            priority=OPENED,
        )
        for token in tokens
    ]
    # Somebody else may have asked in this moment.
    BackfillJob.objects.bulk_create(jobs, ignore_conflicts=True)
    transaction.on_commit(partial(work_queued.send, sender=BackfillJob), robust=True)
    return True
