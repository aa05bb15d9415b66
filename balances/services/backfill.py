"""Work for later: rows are the queue, and whoever asks for due ones does them.

A job is leased while it is worked on; what a process that died has begun comes back when its lease
runs out. What cannot be done is parked with its error after five failures, and the queue goes on. A
node that is away is nobody's failure: the job waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from balances.models import BackfillJob, Chain
from balances.services import holes, lookback, past, seeding
from balances.services.seeding import NoTip
from balances.sources import Unconfigured, nodes_for
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes

logger = structlog.get_logger(__name__)

Kind, State = BackfillJob.Kind, BackfillJob.State

LEASE: Final = timedelta(seconds=120)
MAX_FAILURES: Final = 5
LONGEST_PAUSE: Final = 300
# Another moment or another endpoint may do; the job is not to blame.
_WEATHER: Final = frozenset({"unavailable", "rate_limited", "orphan", "bad_answer", "wrong_chain"})
# No endpoint can do it, so that asking again would only repeat the answer.
_FINAL: Final = frozenset({"no_archive", "no_method"})


class Unreadable(Exception):
    """The node answered, but not with what the job needs. ``str()`` is a code."""


# Does one slice; true when the job is finished.
Work = Callable[[BackfillJob, Nodes], bool]


def run_due(limit: int, *, kinds: Collection[str]) -> int:
    """Do up to ``limit`` due jobs of these kinds and return how many were taken.

    A long job is done in slices and comes back. Raises database errors only.
    """
    clients: dict[int, Nodes] = {}
    try:
        for taken in range(limit):
            job = _take(kinds)
            if job is None:
                return taken
            _perform(job, clients)
        return limit
    finally:
        for client in clients.values():
            client.close()


def _take(kinds: Collection[str]) -> BackfillJob | None:
    now = timezone.now()
    with transaction.atomic():
        job = (
            BackfillJob.objects.due(now)
            .filter(kind__in=kinds, chain__enabled=True)
            .select_related("chain", "address", "token")
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if job is not None:
            job.leased_until = now + LEASE
            # Counted before the work: a job that kills its process is parked in the end, too.
            job.attempts += 1
            job.save(update_fields=["leased_until", "attempts"])
    return job


def _perform(job: BackfillJob, clients: dict[int, Nodes]) -> None:
    try:
        finished = _work(job, _client(job.chain, clients))
    except NoTip as problem:
        _postpone(job, str(problem))
    except Unconfigured as problem:
        _postpone(job, str(problem))
    except NodeError as problem:
        if problem.kind in _WEATHER:
            _postpone(job, problem.kind)
        elif problem.kind in _FINAL:
            _park(job, problem.kind)
        else:
            _fail(job, problem.kind)
    except Unreadable as problem:
        _park(job, str(problem))
    except DatabaseError:
        raise
    except Exception as problem:
        # A job that cannot be done must not keep the others from being done.
        logger.exception("job failed", job=job.pk, kind=job.kind)
        _fail(job, type(problem).__name__)
    else:
        _finish(job) if finished else _continue(job)


def _work(job: BackfillJob, nodes: Nodes) -> bool:
    match job.kind:
        case Kind.SEED:
            return _seed(job, nodes)
        case Kind.READ:
            return _read(job, nodes)
        case Kind.BLOCKS:
            return holes.fill(job, nodes)
        case Kind.HISTORY:
            return lookback.look_back(job, nodes)
    raise Unreadable("unknown_kind")


def _seed(job: BackfillJob, nodes: Nodes) -> bool:
    if job.address is None:
        raise Unreadable("no_address")
    seeding.seed(job.chain, job.address, nodes)
    # What it held before is worth less than what others hold now.
    BackfillJob.objects.bulk_create(
        [BackfillJob(chain=job.chain, kind=Kind.HISTORY, address=job.address, priority=30)],
        ignore_conflicts=True,
    )
    return True


def _read(job: BackfillJob, nodes: Nodes) -> bool:
    if job.address is None or job.from_block is None:
        raise Unreadable("no_block")
    if not past.read_at(job.chain, job.address, job.from_block, nodes, token=job.token):
        raise Unreadable("unreadable")
    return True


def _client(chain: Chain, clients: dict[int, Nodes]) -> Nodes:
    if chain.pk not in clients:
        clients[chain.pk] = nodes_for(chain)
    return clients[chain.pk]


# --- How a job goes on --------------------------------------------------------------------


def _finish(job: BackfillJob) -> None:
    job.state, job.done_at, job.leased_until = State.DONE, timezone.now(), None
    job.save(update_fields=["state", "done_at", "leased_until", "error"])


def _continue(job: BackfillJob) -> None:
    """A slice is done: others first, then the next one."""
    job.attempts, job.leased_until = 0, timezone.now() + timedelta(seconds=1)
    job.save(update_fields=["attempts", "leased_until", "cursor", "error"])


def _postpone(job: BackfillJob, reason: str) -> None:
    job.attempts -= 1
    job.error, job.leased_until = reason[:200], timezone.now() + timedelta(seconds=5)
    job.save(update_fields=["attempts", "error", "leased_until"])


def _fail(job: BackfillJob, reason: str) -> None:
    if job.attempts >= MAX_FAILURES:
        _park(job, reason)
        return
    pause = min(2**job.attempts * 2, LONGEST_PAUSE)
    job.error, job.leased_until = reason[:200], timezone.now() + timedelta(seconds=pause)
    job.save(update_fields=["error", "leased_until"])


def _park(job: BackfillJob, reason: str) -> None:
    logger.warning("job parked", job=job.pk, kind=job.kind, chain=job.chain_id, error=reason)
    job.state, job.error, job.leased_until = State.PARKED, reason[:200], None
    job.save(update_fields=["state", "error", "leased_until"])
