"""``/metrics``: what this process counts, and the feed's own figures.

With several web processes set ``PROMETHEUS_MULTIPROC_DIR``: requests are then summed over all of
them, while the figures of pushes, which live in each process's memory, carry its ``pid``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, cast

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from foundation import valkey
from live import hub
from live.metrics import LiveCollector
from rates.constants import KEY_FEED, LIVE
from rates.services import board

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
        return generate_latest(REGISTRY) + generate_latest(_feed_only())
    registry = _feed_only()
    MultiProcessCollector(registry)
    registry.register(OfThisProcess(LiveCollector(lambda: hub.current().figures())))
    return generate_latest(registry)


def _feed_only() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(FeedCollector())
    return registry
