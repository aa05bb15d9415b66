"""``/metrics``: what this process counts, the feed's own figures, and the chains'.

With several web processes set ``PROMETHEUS_MULTIPROC_DIR``: requests are then summed over all of
them, while the figures of pushes, which live in each process's memory, carry its ``pid``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, cast

import structlog
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from balances.models import Chain
from balances.services import upkeep
from foundation import valkey
from live import hub
from live.metrics import LiveCollector
from rates.constants import KEY_FEED, LIVE
from rates.services import board

logger = structlog.get_logger(__name__)

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"


class FeedCollector(Collector):
    """The age and counters that the leading feed leaves in Valkey, read at each scrape."""

    def collect(self) -> Iterable[Metric]:
        found = board.read([])
        live = int(found.state == LIVE)
        yield GaugeMetricFamily("quayside_feed_live", "Whether the exchange is live", value=live)
        if found.age_ms is not None:
            yield GaugeMetricFamily(
                "quayside_feed_age_seconds",
                "Since the feed's last sign of life",
                value=found.age_ms / 1000,
            )
        figures = GaugeMetricFamily(
            "quayside_feed_figure", "What the leading feed says of itself", labels=["name"]
        )
        for name, value in _figures().items():
            figures.add_metric([name], value)
        yield figures

    def describe(self) -> Iterable[Metric]:
        # Registering must not need Valkey.
        return []


class ChainCollector(Collector):
    """How far each chain is followed, and what comparing with the nodes has found."""

    def collect(self) -> Iterable[Metric]:
        age = GaugeMetricFamily(
            "quayside_chain_head_age_seconds", "Since the newest block was made", labels=["chain"]
        )
        number = GaugeMetricFamily(
            "quayside_chain_head_number", "The newest block that was applied", labels=["chain"]
        )
        working = GaugeMetricFamily(
            "quayside_chain_ok", "Whether the chain is followed as it should be", labels=["chain"]
        )
        now = timezone.now()
        for chain in _chains():
            name = [str(chain.pk)]
            working.add_metric(name, int(not upkeep.is_still(chain, now)))
            if (seconds := upkeep.head_age(chain, now)) is not None:
                age.add_metric(name, seconds)
                number.add_metric(name, chain.head_number or 0)
        yield from (age, number, working)
        yield CounterMetricFamily(
            "quayside_balance_mismatches",
            "Balances that differed from the chain's",
            value=upkeep.counters().get(upkeep.MISMATCHES, 0),
        )

    def describe(self) -> Iterable[Metric]:
        # Registering must need neither database nor Valkey.
        return []


def _chains() -> list[Chain]:
    try:
        return list(Chain.objects.followed())
    except DatabaseError as problem:
        logger.warning("chains not read", error=str(problem))
        return []


def _figures() -> dict[str, float]:
    """The numbers among the feed's facts: its counters, epoch, sequence, applied version."""
    try:
        facts = cast("dict[bytes, bytes]", valkey.client().hgetall(KEY_FEED))
    except RedisError:
        return {}
    named = {name.decode(): value.decode() for name, value in facts.items()}
    return {name: float(value) for name, value in named.items() if value.isdigit()}


class OfThisProcess(Collector):
    """Another collector's samples with this process's ``pid``."""

    def __init__(self, inner: Collector) -> None:
        self.inner = inner

    def collect(self) -> Iterable[Metric]:
        pid = str(os.getpid())
        for metric in self.inner.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, "pid": pid}) for sample in metric.samples
            ]
            yield metric


def text() -> bytes:
    """The whole page, in Prometheus's text format."""
    if not os.environ.get(SHARED):
        return generate_latest(REGISTRY) + generate_latest(_of_everybody())
    registry = _of_everybody()
    MultiProcessCollector(registry)
    registry.register(OfThisProcess(LiveCollector(lambda: hub.current().figures())))
    return generate_latest(registry)


def _of_everybody() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(FeedCollector())
    registry.register(ChainCollector())
    return registry
