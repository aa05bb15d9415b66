"""What keeps the record of a chain honest and small: compare, sweep, prune, alarm."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from redis.exceptions import RedisError

from balances import sources
from balances.constants import KEPT_BLOCKS, NATIVE
from balances.models import Address, BackfillJob, Balance, Block, Chain, RpcEndpoint, Token
from balances.services import cells, seeding, tokens
from foundation import valkey
from foundation.evm import blocks as node_blocks
from foundation.evm import probe
from foundation.evm.node import Endpoint, Node, NodeError
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import quantity

logger = structlog.get_logger(__name__)

# Hash in Valkey: name to count. Lost with it, as counters may be.
COUNTERS: Final = "balances:counters"
# Hashes in Valkey: the key of an endpoint to when its turn came. Lost with it, all begin anew.
PROBES: Final = "balances:probes"
# Seconds after which no endpoint is begun with in one turn; the last may take ``probe.WHOLE``.
PROBING: Final = 30.0
MISMATCHES: Final = "mismatches"

PROBED: Final = (
    "failures", "last_error_class", "last_ok_at", "caps", "archive_from", "batch_max",
    "logs_range_max",
)  # fmt: skip
SWEPT_AT_ONCE: Final = 1_000
# One balance in a hundred is compared, at least a few and never so many that a node minds.
SAMPLE_LEAST, SAMPLE_MOST = 50, 1_000
JOBS_KEPT: Final = timedelta(days=7)
AT_ONCE: Final = 10_000
FORGOTTEN_AT_ONCE: Final = 50
# A chain whose newest block is this many of its block times old is late, and above that in alarm.
LATE_BLOCKS: Final = 3
ALARM: Final = timedelta(minutes=5)

Part = Callable[[Chain, Nodes], int]


def each_chain(part: Part) -> int:
    """Do ``part`` for every chain that is followed and not halted, and add up what it counts.

    A chain whose nodes do not answer has its next turn later and holds up no other.
    """
    done = 0
    for chain in Chain.objects.followed().exclude(state=Chain.State.HALTED):
        try:
            nodes = sources.nodes_for(chain)
        except sources.Unconfigured as problem:
            logger.info("chain without a node", chain=chain.pk, reason=str(problem))
            continue
        try:
            done += part(chain, nodes)
        except (NodeError, seeding.NoTip) as problem:
            logger.info("put off", chain=chain.pk, part=part.__name__, reason=str(problem))
        finally:
            nodes.close()
    return done


def name_tokens(chain: Chain, nodes: Nodes) -> int:
    return tokens.refresh_metadata(chain, nodes)


# --- Nodes and heads --------------------------------------------------------------------------


def probe_endpoints(*, full: bool) -> int:
    """Ask every enabled endpoint, and keep what it said; return how many answered well.

    One that was never probed is probed in full. Those that were asked longest ago come first, and
    none is begun after ``PROBING`` seconds: slow ones cost others a turn and no more.
    """
    rows = RpcEndpoint.objects.filter(enabled=True, chain__enabled=True).select_related("chain")
    turns = f"{PROBES}:{'full' if full else 'short'}"
    last: Any = valkey.client().hgetall(turns)
    good, until = 0, time.monotonic() + PROBING
    for row in sorted(rows, key=lambda row: float(last.get(str(row.pk).encode(), 0))):
        valkey.client().hset(turns, str(row.pk), timezone.now().timestamp())
        good += _probe(row, full=full or row.last_ok_at is None)
        if time.monotonic() >= until:
            break
    return good


def _probe(row: RpcEndpoint, *, full: bool) -> bool:
    begun = time.monotonic()
    try:
        endpoint = sources.endpoint(row)
        found = probe.probe(endpoint, multicall=_multicall(row.chain)) if full else None
        chain_id = found.chain_id if found else _chain_id(endpoint)
    except NodeError as problem:
        slow = time.monotonic() - begun >= probe.WHOLE
        return _failed(row, "slow" if slow else problem.kind)
    except sources.Unconfigured:
        return _failed(row, "unconfigured")
    if chain_id != row.chain_id:
        logger.error("another chain answers", endpoint=row.name, chain=row.chain_id, is_=chain_id)
        return _failed(row, "wrong_chain")
    row.failures, row.last_error_class, row.last_ok_at = 0, "", timezone.now()
    if found is not None:
        row.caps, row.archive_from = dict.fromkeys(sorted(found.caps), True), found.archive_from
        row.batch_max, row.logs_range_max = found.batch_max, found.logs_range_max
    # Not what an operator may have changed meanwhile.
    row.save(update_fields=PROBED)
    return True


def _chain_id(endpoint: Endpoint) -> int:
    node = Node(endpoint)
    try:
        return quantity(node.call("eth_chainId"))
    finally:
        node.close()


def _failed(row: RpcEndpoint, kind: str) -> bool:
    RpcEndpoint.objects.filter(pk=row.pk).update(failures=F("failures") + 1, last_error_class=kind)
    return False


def _multicall(chain: Chain) -> bytes | None:
    return None if chain.multicall_address is None else bytes(chain.multicall_address)


def check_heads(now: datetime) -> int:
    """Log an alarm for each chain that stands still; return how many there are."""
    still = [chain for chain in Chain.objects.followed() if is_still(chain, now)]
    for chain in still:
        logger.error(
            "chain stands still",
            chain=chain.pk,
            state=chain.state,
            reason=chain.state_reason,
            head=chain.head_number,
            age=head_age(chain, now),
        )
    return len(still)


def head_age(chain: Chain, now: datetime) -> float | None:
    """Seconds since the newest block was made; ``None`` where there is none yet."""
    return None if chain.head_ts is None else max((now - chain.head_ts).total_seconds(), 0.0)


def is_still(chain: Chain, now: datetime) -> bool:
    """Halted, or neither a block nor a word of the node for longer than the chain's own pace."""
    if chain.state == Chain.State.HALTED or chain.head_seen_at is None:
        return True
    pace = timedelta(milliseconds=LATE_BLOCKS * chain.block_time_ms)
    return now - chain.head_seen_at > max(pace, ALARM)


# --- Comparing with the chain -----------------------------------------------------------------


def finalize(chain: Chain, nodes: Nodes) -> int:
    """Move the depth below which nothing is taken back; 1 if it moved.

    The block at that depth is compared with the node's first: where they differ nothing moves, and
    an alarm is logged.
    """
    if chain.head_number is None:
        return 0
    number = chain.head_number - chain.reorg_depth
    stored = Block.objects.filter(chain=chain, number=number).first()
    if stored is None or number <= (chain.finalized_number or -1):
        return 0
    header = node_blocks.fetch_header(nodes, number)
    if header is None or header.hash != bytes(stored.hash):
        said = None if header is None else header.hash.hex()
        logger.error("final block differs", chain=chain.pk, number=number, node=said)
        return 0
    return Chain.objects.filter(
        Q(finalized_number=None) | Q(finalized_number__lt=number), pk=chain.pk
    ).update(finalized_number=number)


def sweep(chain: Chain, nodes: Nodes) -> int:
    """Read the oldest readings of what moves without a transfer: the coin, tokens that lie."""
    silent = Q(token__contract=NATIVE) | Q(token__bugged_events=True)
    rows = (
        Balance.objects.filter(silent, token__chain=chain, stale=False)
        .exclude(block_number=chain.head_number)
        .select_related("address", "token")
        .order_by(F("at").asc(nulls_first=True), "pk")[:SWEPT_AT_ONCE]
    )
    asked = [seeding.cell_of(row) for row in rows]
    if asked:
        seeding.read_at_tip(chain.pk, nodes, asked)
    return len(asked)


def reconcile(chain: Chain, nodes: Nodes) -> int:
    """Compare a sample with the node at the tip; return how many differ, and read those again.

    A token that differs is one whose transfers do not add up: from now on it is swept.
    """
    if chain.head_number is None or chain.head_hash is None:
        return 0
    rows = _sample(chain)
    # Not older than what was sampled, or honest tokens would differ from their own past.
    chain.refresh_from_db(fields=["head_number", "head_hash"])
    assert chain.head_number is not None
    assert chain.head_hash is not None
    asked = [seeding.cell_of(row) for row in rows]
    readings = cells.read(
        nodes,
        bytes(chain.head_hash),
        asked,
        multicall_address=seeding.multicall_at(chain, chain.head_number),
        number=chain.head_number,
    )
    # What was moved by a later block meanwhile cannot be compared any more.
    now = {row.pk: row for row in Balance.objects.filter(pk__in=[row.pk for row in rows])}
    wrong = [
        row
        for row, reading in zip(rows, readings, strict=True)
        if reading.value is not None
        and (row.pk in now and now[row.pk].version == row.version)
        and reading.value != row.value
    ]
    if wrong:
        _settle(chain, nodes, wrong)
    return len(wrong)


def _sample(chain: Chain) -> list[Balance]:
    """At random. Coins are left out where no trace tells of them: there a difference is no lie."""
    known = Balance.objects.filter(token__chain=chain, stale=False, value__isnull=False)
    known = known.filter(token__bugged_events=False)
    if not sources.can_trace(chain):
        known = known.exclude(token__contract=NATIVE)
    size = min(max(known.count() // 100, SAMPLE_LEAST), SAMPLE_MOST)
    return list(known.select_related("address", "token").order_by("?")[:size])


def _settle(chain: Chain, nodes: Nodes, wrong: Sequence[Balance]) -> None:
    count(MISMATCHES, len(wrong))
    lying = {row.token_id for row in wrong if not row.token.is_native}
    Token.objects.filter(pk__in=lying).update(bugged_events=True)
    for row in wrong:
        logger.error(
            "balance differs", chain=chain.pk, address=str(row.address), token=row.token_id
        )
        row.token.bugged_events = row.token_id in lying
    seeding.read_at_tip(chain.pk, nodes, [seeding.cell_of(row) for row in wrong])


def count(name: str, by: int = 1) -> None:
    """Move a counter of ``/metrics``. Raises nothing."""
    try:
        valkey.client().hincrby(COUNTERS, name, by)
    except RedisError as problem:
        logger.warning("not counted", name=name, by=by, error=repr(problem))


def counters() -> dict[str, int]:
    """Name to count; empty while Valkey is away."""
    try:
        found: Any = valkey.client().hgetall(COUNTERS)
    except RedisError:
        return {}
    return {name.decode(): int(value) for name, value in found.items()}


# --- What is thrown away ------------------------------------------------------------------------


def prune(now: datetime) -> int:
    """Throw away what nobody follows any more; return how many rows.

    Blocks stay, since they tell times from numbers, and so does what followed addresses did.
    """
    gone = _forget_addresses(now)
    for chain in Chain.objects.exclude(head_number=None):
        assert chain.head_number is not None
        oldest = chain.head_number - KEPT_BLOCKS
        gone += sum(_prune_activity(table, chain.pk, oldest) for table in ("tx", "transfer"))
    done = BackfillJob.objects.exclude(state=BackfillJob.State.WAITING)
    return gone + int(done.filter(added_at__lt=now - JOBS_KEPT).delete()[0])


def _forget_addresses(now: datetime) -> int:
    gone = 0
    while some := _forget_some(now):
        gone += some
    return gone


@transaction.atomic
def _forget_some(now: datetime) -> int:
    """In the order in which a block takes its locks: the chain's row, then what it moves. A few at
    a time, so that no follower waits long."""
    list(Chain.objects.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    # Locked, so that one who looks it up now waits and then begins anew.
    lapsed = Address.objects.forgotten(now).select_for_update(skip_locked=True)
    some = [row.pk for row in lapsed[:FORGOTTEN_AT_ONCE]]
    return int(Address.objects.filter(pk__in=some).delete()[0]) if some else 0


PRUNE = """
DELETE FROM balances_{table} WHERE id IN (
    SELECT old.id FROM balances_{table} old
    WHERE old.chain_id = %s AND old.block_number <= %s
      AND NOT EXISTS (SELECT 1 FROM balances_address a WHERE a.raw = old.sender)
      AND NOT EXISTS (SELECT 1 FROM balances_address a WHERE a.raw = old.recipient)
    LIMIT %s
)
"""


def _prune_activity(table: str, chain_id: int, oldest: int) -> int:
    """In slices, each a transaction of its own, so that the follower never waits long."""
    gone = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(PRUNE.format(table=table), [chain_id, oldest, AT_ONCE])
            removed: int = cursor.rowcount
        gone += removed
        if removed < AT_ONCE:
            return gone


def retry(jobs: Sequence[int]) -> int:
    """Let parked jobs wait for their turn again; return how many. What waits already stays one."""
    again = 0
    for job in BackfillJob.objects.filter(pk__in=jobs, state=BackfillJob.State.PARKED):
        twin = BackfillJob.objects.waiting().filter(
            chain=job.chain_id,
            kind=job.kind,
            address=job.address_id,
            token=job.token_id,
            from_block=job.from_block,
            to_block=job.to_block,
        )
        if not twin.exists():
            job.state, job.attempts, job.error = BackfillJob.State.WAITING, 0, ""
            job.save(update_fields=["state", "attempts", "error"])
            again += 1
    return again
