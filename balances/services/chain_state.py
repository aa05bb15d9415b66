"""How a chain fares, told alike on pages and by the API.

Pushes need no rule of their own: their hub calls a topic stale when its follower falls silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from balances.models import Chain

# Even a quick chain may be slow for a moment.
LEAST_PATIENCE: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class ChainState:
    """``name`` is ``live``, ``stale``, ``down`` or ``halted``; ``reason`` a code, or empty."""

    chain: Chain
    name: str
    reason: str = ""


def state_of(chain: Chain, now: datetime) -> ChainState:
    """As the follower left it, with the age of its last block judged here."""
    if chain.state == Chain.State.HALTED:
        return ChainState(chain, "halted", chain.state_reason)
    if chain.head_seen_at is None:
        return ChainState(chain, "stale", "no_block_yet")
    if chain.state == Chain.State.DOWN:
        return ChainState(chain, "down", chain.state_reason)
    if chain.state == Chain.State.LAGGING:
        return ChainState(chain, "stale", chain.state_reason or "lagging")
    patience = max(3 * timedelta(milliseconds=chain.block_time_ms), LEAST_PATIENCE)
    if now - chain.head_seen_at > patience:
        return ChainState(chain, "stale", "no_new_block")
    return ChainState(chain, "live")
