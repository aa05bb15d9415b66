"""Which block a time means, where no block of that time is stored here.

Somebody asks for a time, a task looks for its block by halving, and whoever asks again finds it.
What is wanted and what was found stands in Valkey: lost, it is wanted and found again.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from balances import sources
from balances.constants import INTERRUPTIONS
from balances.models import Block, Chain
from balances.signals import work_queued
from foundation import valkey
from foundation.commits import after_commit
from foundation.evm import blocks as node_blocks
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes

logger = structlog.get_logger(__name__)

# Set of "chain:second": what somebody waits for.
WANTED: Final = "balances:wanted_times"
MOST_WANTED: Final = 500
KEPT: Final = timedelta(days=7)
BEFORE_GENESIS: Final = -1


def found(chain: Chain, moment: datetime) -> int | None:
    """The last block until ``moment``, ``BEFORE_GENESIS``, or ``None`` while nobody knows."""
    try:
        number: Any = valkey.client().get(_key(chain, _second(moment)))
    except RedisError as problem:
        logger.warning("times not read", error=repr(problem))
        return None
    return None if number is None else int(number)


def is_wanted(chain: Chain, moment: datetime) -> bool:
    """Whether somebody waits for this very time already. False while Valkey is away."""
    try:
        found: Any = valkey.client().sismember(WANTED, _wish(chain, moment))
    except RedisError as problem:
        logger.warning("times not read", error=repr(problem))
        return False
    return bool(found)


def want(chain: Chain, moment: datetime) -> bool:
    """Have the block of ``moment`` looked for. False where nobody can, or too many wait."""
    if not chain.endpoints.filter(enabled=True).exists():
        return False
    client = valkey.client()
    try:
        waiting: Any = client.scard(WANTED)
        if waiting >= MOST_WANTED:
            return False
        client.sadd(WANTED, _wish(chain, moment))
    except RedisError as problem:
        logger.warning("time not wanted", error=repr(problem))
        return False
    after_commit(work_queued.send, sender=Block)
    return True


def find_wanted(limit: int = 20, *, until: float = inf) -> int:
    """Look for what is wanted; return how many were found. None is begun after ``until``
    (``time.monotonic()``).

    What fails is wanted again by asking, what was interrupted still is. A halted chain's nodes may
    be those of another chain. Raises ``INTERRUPTIONS``.
    """
    found = 0
    for _ in range(limit):
        wanted = _take() if time.monotonic() < until else None
        if wanted is None:
            break
        try:
            found += _find_one(wanted)
        except INTERRUPTIONS:
            valkey.client().sadd(WANTED, wanted)
            raise
    return found


def _find_one(wanted: bytes) -> bool:
    try:
        chain_id, second = (int(part) for part in wanted.split(b":"))
        # A time that no calendar has must not lose the others that were taken with it.
        datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError) as problem:
        logger.warning("no time", wanted=wanted[:60], error=repr(problem))
        return False
    followed = Chain.objects.followed().exclude(state=Chain.State.HALTED)
    chain = followed.filter(pk=chain_id).first()
    return chain is not None and _find(chain, second)


def _take() -> bytes | None:
    # Stubs do not tell the asynchronous client's answer from this one's.
    taken: Any = valkey.client().spop(WANTED)
    return taken  # type: ignore[no-any-return]


def _find(chain: Chain, second: int) -> bool:
    try:
        nodes = sources.nodes_for(chain)
    except sources.Unconfigured:
        return False
    try:
        number = locate(chain, second, nodes)
    except NodeError as problem:
        logger.info("time not found", chain=chain.pk, reason=problem.kind)
        return False
    finally:
        nodes.close()
    valkey.client().set(_key(chain, second), number, ex=KEPT)
    return True


def locate(chain: Chain, second: int, nodes: Nodes) -> int:
    """The last block made until ``second``, by asking for about as many headers as the chain's
    height has bits. Between stored blocks only the gap is searched. Raises ``NodeError``."""
    lower, upper = _bounds(chain, second)
    if lower == BEFORE_GENESIS and _time(nodes, 0) > second:
        return BEFORE_GENESIS
    lower = max(lower, 0)
    while upper - lower > 1:
        middle = (lower + upper) // 2
        if _time(nodes, middle) <= second:
            lower = middle
        else:
            upper = middle
    return lower


def _bounds(chain: Chain, second: int) -> tuple[int, int]:
    """The block is the first of these, or above it and below the second."""
    moment = datetime.fromtimestamp(second, UTC)
    stored = Block.objects.filter(chain=chain)
    before = stored.filter(ts__lte=moment).order_by("-ts", "-number").first()
    after = stored.filter(ts__gt=moment).order_by("ts", "number").first()
    top = (chain.head_number or 0) + 1
    return before.number if before else BEFORE_GENESIS, after.number if after else top


def _time(nodes: Nodes, number: int) -> int:
    header = node_blocks.fetch_header(nodes, number)
    if header is None:
        raise NodeError("bad_answer", f"block {number} is missing")
    return header.ts


def _wish(chain: Chain, moment: datetime) -> str:
    return f"{chain.pk}:{_second(moment)}"


def _key(chain: Chain, second: int) -> str:
    """An answer does not outlive the blocks that it was found among."""
    return f"balances:block_at:{chain.pk}:{chain.epoch}:{second}"


def _second(moment: datetime) -> int:
    return int(moment.timestamp())
