"""Work for later: rows are the queue, and whoever asks for due ones does them.

A job is leased while it is worked on; what a process that died has begun comes back when its lease
runs out. What cannot be done is parked with its error after five failures, and the queue goes on. A
node that is away is nobody's failure: the job waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from math import inf
from typing import Any, Final

import structlog
from django.db import transaction
from django.utils import timezone

from balances.constants import INTERRUPTIONS
from balances.models import Address, BackfillJob, Chain
from balances.querysets import BackfillJobQuerySet
from balances.services import coin_past, holes, lookback, past, seeding
from balances.services.seeding import NoTip
from balances.services.tokens import native_of
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


def run_due(limit: int, *, kinds: Collection[str], until: float = inf) -> int:
    """Do due jobs of these kinds in up to ``limit`` turns and return how many were taken.

    A long job is done in slices and comes back; first readings of many addresses are one turn. None
    is begun after ``until`` (``time.monotonic()``). Raises ``INTERRUPTIONS`` only: the job that was
    begun comes back when its lease ends.
    """
    clients: dict[int, Nodes] = {}
    taken = 0
    try:
        for _ in range(limit):
            job = _take(kinds) if time.monotonic() < until else None
            if job is None:
                break
            jobs = [job, *_companions(job)]
            taken += len(jobs)
            if len(jobs) > 1:
                _seed_together(jobs, clients)
            else:
                _perform(job, clients)
        return taken
    finally:
        for client in clients.values():
            client.close()


def _take(kinds: Collection[str]) -> BackfillJob | None:
    due = BackfillJob.objects.due(timezone.now()).filter(kind__in=kinds, chain__enabled=True)
    # Another chain may stand behind the endpoints of one that is halted.
    due = due.exclude(chain__state=Chain.State.HALTED)
    return next(iter(_leased(due, 1)), None)


def _companions(job: BackfillJob) -> list[BackfillJob]:
    """Other first readings that wait on the same chain. One that failed before stays alone, so that
    it does not fail others again."""
    if job.kind != Kind.SEED or job.attempts > 1:
        return []
    due = BackfillJob.objects.due(timezone.now())
    others = due.filter(chain=job.chain, kind=Kind.SEED, attempts=0)
    return _leased(others, seeding.seeds_at_once(job.chain) - 1)


@transaction.atomic
def _leased(due: BackfillJobQuerySet, limit: int) -> list[BackfillJob]:
    rows = due.select_related("chain", "address", "token")
    jobs = list(rows.select_for_update(skip_locked=True, of=("self",))[:limit])
    for job in jobs:
        job.leased_until = timezone.now() + LEASE
        # Counted before the work: a job that kills its process is parked in the end, too.
        job.attempts += 1
    BackfillJob.objects.bulk_update(jobs, ["leased_until", "attempts"])
    return jobs


def _seed_together(jobs: Sequence[BackfillJob], clients: dict[int, Nodes]) -> None:
    """In one reading; where that fails, each alone, as it tells which of them is to blame."""
    chain = jobs[0].chain
    try:
        _seed(chain, [_address(job) for job in jobs], _client(chain, clients))
    except INTERRUPTIONS:
        raise
    except Exception as problem:
        weather = _is_weather(problem)
        # A chain whose first block is still to come is no fault that a traceback would explain.
        logger.info(
            "not read together",
            chain=chain.pk,
            jobs=len(jobs),
            reason=_word(problem),
            exc_info=not weather,
        )
        for job in jobs:
            _postpone(job, _word(problem)) if weather else _perform(job, clients)
    else:
        now = timezone.now()
        for job in jobs:
            job.state, job.done_at, job.leased_until, job.error = State.DONE, now, None, ""
        BackfillJob.objects.bulk_update(jobs, ["state", "done_at", "leased_until", "error"])


def _perform(job: BackfillJob, clients: dict[int, Nodes]) -> None:
    try:
        finished = _work(job, _client(job.chain, clients))
    except (NoTip, Unconfigured, NodeError) as problem:
        if _is_weather(problem):
            _postpone(job, _word(problem))
        elif _word(problem) in _FINAL:
            _park(job, _word(problem))
        else:
            _fail(job, _word(problem))
    except Unreadable as problem:
        _park(job, str(problem))
    except INTERRUPTIONS:
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
            _seed(job.chain, [_address(job)], nodes)
            return True
        case Kind.READ:
            return _read(job, nodes)
        case Kind.BLOCKS:
            return holes.fill(job, nodes)
        case Kind.HISTORY:
            return _history(job, nodes)
    raise Unreadable("unknown_kind")


def _seed(chain: Chain, addresses: Sequence[Address], nodes: Nodes) -> None:
    seeding.seed(chain, addresses, nodes)
    since = lookback.followed_since(chain, [address.pk for address in addresses])
    jobs = [job for address in addresses for job in _pasts(chain, address.pk, since)]
    BackfillJob.objects.bulk_create(jobs, ignore_conflicts=True)


def _history(job: BackfillJob, nodes: Nodes) -> bool:
    if job.to_block is not None:
        past_of = lookback.look_back if job.token is None else coin_past.date_back
        return past_of(job, nodes)
    address_id = _address(job).pk
    since = lookback.followed_since(job.chain, [address_id])
    if not since:
        raise NoTip("the address was not read yet")
    BackfillJob.objects.bulk_create(_pasts(job.chain, address_id, since), ignore_conflicts=True)
    return True


def _pasts(
    chain: Chain, address_id: int, followed: Mapping[int, tuple[int, int | None]]
) -> Iterator[BackfillJob]:
    """What an address held before is worth less than what others hold now. Of one that no node has
    said anything of yet, it is seen later from when on it is followed."""
    facts: dict[str, Any] = {"chain": chain, "kind": Kind.HISTORY, "address_id": address_id}
    facts["priority"] = 30
    if address_id not in followed:
        yield BackfillJob(**facts)
        return
    since, coin_since = followed[address_id]
    if since > 0:
        kept = lookback.kept_since(chain, since)
        yield BackfillJob(**facts, from_block=kept, to_block=since - 1)
    if coin_since:
        coin = native_of(chain)
        yield BackfillJob(**facts, token=coin, from_block=0, to_block=coin_since - 1)


def _address(job: BackfillJob) -> Address:
    if job.address is None:
        raise Unreadable("no_address")
    return job.address


def _read(job: BackfillJob, nodes: Nodes) -> bool:
    if job.address is None or job.from_block is None:
        raise Unreadable("no_block")
    if not past.read_at(job.chain, job.address, job.from_block, nodes, token=job.token):
        token = job.token
        if token is not None and past.is_before(job.chain, token, job.from_block, nodes):
            raise Unreadable("before_token")
        raise Unreadable("unreadable")
    return True


def _tell(job: BackfillJob) -> None:
    """A page waits for what became of a reading, or shows a past that has grown: it asks again when
    it hears of the address."""
    if job.kind in (Kind.READ, Kind.HISTORY) and job.address is not None:
        past.tell(job.chain, job.address)


def _is_weather(problem: Exception) -> bool:
    if isinstance(problem, NodeError):
        return problem.kind in _WEATHER
    return isinstance(problem, NoTip | Unconfigured)


def _word(problem: Exception) -> str:
    return problem.kind if isinstance(problem, NodeError) else str(problem)


def _client(chain: Chain, clients: dict[int, Nodes]) -> Nodes:
    if chain.pk not in clients:
        clients[chain.pk] = nodes_for(chain)
    return clients[chain.pk]


# --- How a job goes on --------------------------------------------------------------------


def _finish(job: BackfillJob) -> None:
    job.state, job.done_at, job.leased_until = State.DONE, timezone.now(), None
    job.save(update_fields=["state", "done_at", "leased_until", "error", "cursor"])
    _tell(job)


def _continue(job: BackfillJob) -> None:
    """A slice is done: others first, then the next one."""
    job.attempts, job.leased_until = 0, timezone.now() + timedelta(seconds=1)
    job.save(update_fields=["attempts", "leased_until", "cursor", "error"])


def _postpone(job: BackfillJob, reason: str) -> None:
    job.attempts -= 1
    job.error, job.leased_until = reason[:200], timezone.now() + timedelta(seconds=5)
    job.save(update_fields=["attempts", "error", "leased_until", "cursor"])


def _fail(job: BackfillJob, reason: str) -> None:
    if job.attempts >= MAX_FAILURES:
        _park(job, reason)
        return
    pause = min(2**job.attempts * 2, LONGEST_PAUSE)
    job.error, job.leased_until = reason[:200], timezone.now() + timedelta(seconds=pause)
    job.save(update_fields=["error", "leased_until", "cursor"])


def _park(job: BackfillJob, reason: str) -> None:
    logger.warning("job parked", job=job.pk, kind=job.kind, chain=job.chain_id, error=reason)
    job.state, job.error, job.leased_until = State.PARKED, reason[:200], None
    job.done_at = timezone.now()
    job.save(update_fields=["state", "error", "leased_until", "done_at"])
    _tell(job)
