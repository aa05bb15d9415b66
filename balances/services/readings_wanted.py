"""Readings of the past that somebody waits for, as jobs of the worker that may ask nodes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from balances.models import Address, BackfillJob, Chain, RpcEndpoint, Token
from balances.services.blocks import RECENT
from balances.services.holdings import Reason, State
from balances.signals import work_queued
from foundation import throttling
from foundation.commits import after_commit

# So many may wait for one chain; whoever asks for more is told to come back.
MAX_WAITING: Final = 1_000
OPENED: Final = 0
# Times to be looked for and readings together, so that nobody fills the queue that all share.
QUESTIONS_AN_HOUR: Final = 300
HOUR: Final = 3600
# A reading that failed is told as such for so long, and then asked for anew.
TRIED_AGAIN: Final = timedelta(minutes=10)


def may_ask(by: int | None) -> bool:
    """Count one more question to the nodes for the user of that key; nobody in particular may."""
    return by is None or throttling.take(f"readings:{by}", QUESTIONS_AN_HOUR, HOUR)[0]


@transaction.atomic
def queue(
    address: Address,
    chain: Chain,
    number: int | None,
    tokens: Sequence[Token | None],
    *,
    by: int | None = None,
) -> bool:
    """``None`` among ``tokens``: everything that is known of the address. False where too much
    waits already, or ``by`` asked too often."""
    if not may_ask(by):
        return False
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
    after_commit(work_queued.send, sender=BackfillJob)
    return True


def chances(
    address: Address, chain: Chain, number: int, tokens: Sequence[Token], *, by: int | None = None
) -> dict[int, tuple[State, Reason]]:
    """Whether what nobody knows here of that block can still be learnt, by the token's key; if so,
    it is queued."""
    jobs = BackfillJob.objects.filter(
        chain=chain,
        kind=BackfillJob.Kind.READ,
        address=address,
        from_block=number,
    )
    worn = timezone.now() - TRIED_AGAIN
    last = {job.token_id: job for job in jobs.order_by("pk") if not _is_worn(job, worn)}
    whole = last.get(None)
    # What was found after everything known had been read is read by itself.
    single = whole is not None and whole.state == BackfillJob.State.DONE
    asked = {token.pk: last.get(token.pk) if single else whole for token in tokens}
    ended = {
        pk: _ended(job)
        for pk, job in asked.items()
        if job is not None and job.state != BackfillJob.State.WAITING
    }
    open_ones = [token for token in tokens if token.pk not in ended]
    if not open_ones:
        return ended
    chance = State.LOADING, Reason.READING
    new = [token for token in open_ones if asked[token.pk] is None]
    reason = _out_of_reach(chain, number)
    if reason is not None:
        chance = State.UNKNOWN, reason
    elif new and not queue(address, chain, number, new if single else [None], by=by):
        chance = State.UNKNOWN, Reason.BUSY
    return ended | {token.pk: chance for token in open_ones}


def _is_worn(job: BackfillJob, before: datetime) -> bool:
    """Whether a reading failed so long ago that a node may do better now. A token that was not
    there then never will have been."""
    if job.state != BackfillJob.State.PARKED or job.error == Reason.BEFORE_TOKEN:
        return False
    return (job.done_at or job.added_at) < before


def _ended(job: BackfillJob) -> tuple[State, Reason]:
    """What a reading came to that left the value unknown."""
    return State.UNKNOWN, Reason(job.error) if job.error in list(Reason) else Reason.FAILED


def _out_of_reach(chain: Chain, number: int) -> Reason | None:
    """Why no node of ours can say what was at this block; ``None`` if one can."""
    usable = RpcEndpoint.objects.filter(chain=chain, enabled=True)
    depths = list(usable.values_list("archive_from", flat=True))
    # Any node keeps the state of the newest blocks.
    if depths and (chain.head_number or 0) - number <= RECENT:
        return None
    archives = [depth for depth in depths if depth is not None]
    if not archives:
        return Reason.NO_ARCHIVE
    return None if min(archives) <= number else Reason.PRUNED
