"""Keeping what we know of the exchange's pairs true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from rates.feeds.kraken_rest import AssetPair, ExchangeUnavailable, KrakenREST
from rates.models import Pair
from rates.services import spread_table, versions

logger = structlog.get_logger(__name__)

# What the feed reads of a pair; a change of these must reach it.
QUOTED_FIELDS = frozenset({"tick_size", "price_decimals", "enabled"})


class PairDirectory(Protocol):
    def asset_pairs(self) -> list[AssetPair]: ...


@dataclass(frozen=True, slots=True)
class PairChange:
    """One field of one pair that the exchange changed; values as text."""

    code: str
    field: str
    before: str
    after: str


def sync_pairs(client: PairDirectory | None = None) -> list[PairChange]:
    """Take over tick size, decimals and REST name of every pair we know; return what changed.

    A pair that the exchange no longer offers is disabled, and never enabled again by itself. A
    change that matters to quotes draws a new revision, so that the feed loads it. Safe to repeat.
    Raises ``ExchangeUnavailable``, also for an answer that lacks more than half of our pairs.
    """
    directory = client or KrakenREST(settings.KRAKEN_REST_URL)
    # Before the transaction: no lock is held while the exchange thinks.
    offered = {pair.code: pair for pair in directory.asset_pairs()}
    changes = _apply(offered, timezone.now())
    for change in changes:
        logger.info("pair changed", **asdict(change))
    return changes


@transaction.atomic
def _apply(offered: Mapping[str, AssetPair], now: datetime) -> list[PairChange]:
    # The lock of all version numbers before the rows' locks, as every other writer takes them.
    versions.serialise()
    pairs = list(Pair.objects.select_for_update().order_by("pk"))
    enabled = [pair for pair in pairs if pair.enabled]
    missing = [pair for pair in enabled if pair.code not in offered]
    if len(missing) > max(1, len(enabled) // 2):
        raise ExchangeUnavailable(
            f"The exchange lists only {len(enabled) - len(missing)} of our {len(enabled)} pairs;"
            " that is not believed."
        )
    changes = [change for pair in pairs for change in _update(pair, offered.get(pair.code), now)]
    if changes:
        spread_table.publish_on_commit()
    return changes


def _update(pair: Pair, offer: AssetPair | None, now: datetime) -> list[PairChange]:
    wanted: dict[str, object] = {"enabled": False}
    if offer is not None:
        wanted = {
            "tick_size": offer.tick_size,
            "price_decimals": offer.price_decimals,
            "rest_key": offer.rest_key,
        }
    changes = [
        PairChange(pair.code, field, str(before), str(value))
        for field, value in wanted.items()
        if (before := getattr(pair, field)) != value
    ]
    for field, value in wanted.items():
        setattr(pair, field, value)
    if QUOTED_FIELDS & {change.field for change in changes}:
        pair.revision = versions.draw()
    pair.synced_at = now
    pair.save(update_fields=[*wanted, "revision", "synced_at"])
    return changes
