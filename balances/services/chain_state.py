"""How a chain fares, told alike on pages, by the API and to who listens to its topic.

The follower leaves its own word in the chain's row and, each second, a sign of life in Valkey that
expires. The hub of the topic hears the same signs and calls the topic stale when they end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.utils import timezone
from redis.exceptions import RedisError

from balances.constants import SILENCE, alive_key
from balances.models import Chain
from foundation import valkey

logger = structlog.get_logger(__name__)

LIVE, STALE, DOWN, HALTED = "live", "stale", "down", "halted"
SILENT: Final = "follower_silent"
NO_NEW_BLOCK: Final = "no_new_block"
# Even a quick chain may be slow for a moment.
LEAST_PATIENCE: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class ChainState:
    """``name`` is ``live``, ``stale``, ``down`` or ``halted``; ``reason`` a code, or empty."""

    chain: Chain
    name: str
    reason: str = ""


def states_of(chains: Sequence[Chain]) -> list[ChainState]:
    """In the order of ``chains``."""
    heard, now = _heard_of(chains), timezone.now()
    return [state_of(chain, now, heard=chain.pk in heard) for chain in chains]


def state_of(chain: Chain, now: datetime, *, heard: bool = True) -> ChainState:
    """As the follower left it. ``heard``: it gave a sign of life in the last seconds; while Valkey
    is away nobody can say that it did not."""
    if chain.state == Chain.State.HALTED:
        return ChainState(chain, HALTED, chain.state_reason)
    if chain.head_seen_at is None:
        return ChainState(chain, STALE, "no_block_yet")
    if chain.state == Chain.State.DOWN:
        return ChainState(chain, DOWN, chain.state_reason)
    if not heard:
        return ChainState(chain, STALE, SILENT)
    if chain.state == Chain.State.LAGGING:
        return ChainState(chain, STALE, chain.state_reason or "lagging")
    if now - chain.head_seen_at > _patience(chain):
        return ChainState(chain, STALE, NO_NEW_BLOCK)
    return ChainState(chain, LIVE)


def patience_left(chain: Chain, now: datetime) -> float | None:
    """Seconds until no new block is one too late; ``None`` where that has been told."""
    if chain.head_seen_at is None:
        return None
    left = (chain.head_seen_at + _patience(chain) - now).total_seconds()
    return left if left >= 0 else None


def sign(chain_id: int) -> None:
    """The follower lives and its node answers. Raises ``RedisError``."""
    valkey.client().set(alive_key(chain_id), 1, px=int(SILENCE * 1000))


def _heard_of(chains: Sequence[Chain]) -> set[int]:
    if not chains:
        return set()
    try:
        signs: Any = valkey.client().mget([alive_key(chain.pk) for chain in chains])
    except RedisError as problem:
        logger.warning("signs of life not read", error=repr(problem))
        return {chain.pk for chain in chains}
    return {chain.pk for chain, found in zip(chains, signs, strict=True) if found}


def _patience(chain: Chain) -> timedelta:
    return max(3 * timedelta(milliseconds=chain.block_time_ms), LEAST_PATIENCE)
