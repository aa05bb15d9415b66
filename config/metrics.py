"""``/metrics``: what this process counts, and the figures that belong to none.

With several web processes behind one socket set ``PROMETHEUS_MULTIPROC_DIR``: requests are then
summed over all of them, while figures that live in a process's memory carry its ``pid``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from django.db import connection
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.collectors import DatabaseCollector, FeedCollector, TaskCollector
from foundation import lane_metrics, replica
from live import hub
from live.metrics import LiveCollector

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"


class PoolCollector(Collector):
    """Connections to the database that this process holds; nothing where PgBouncer is the pool."""

    def collect(self) -> Iterable[Metric]:
        pool: Any = getattr(connection, "pool", None)
        found = pool.get_stats() if pool is not None else {}
        for name, text, value in (
            ("connections", "Connections held", found.get("pool_size")),
            ("idle_connections", "Of them, those nobody uses", found.get("pool_available")),
            ("waiting", "Requests that wait for one", found.get("requests_waiting")),
        ):
            yield GaugeMetricFamily(f"quayside_database_pool_{name}", text, value=value)
        for name, text, key in (
            ("requests", "Times that a connection was asked for", "requests_num"),
            ("errors", "Times that none was to be had in time", "requests_errors"),
        ):
            yield CounterMetricFamily(
                f"quayside_database_pool_{name}", text, value=found.get(key, 0)
            )


class ReplicaCollector(Collector):
    """How far this process believes the replica to be behind; infinite where it is away."""

    def collect(self) -> Iterable[Metric]:
        behind = replica.lag.seconds() if replica.configured() else None
        yield GaugeMetricFamily("quayside_replica_lag_seconds", "Behind the primary", value=behind)


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
    registry = CollectorRegistry()
    for of_nobody in (FeedCollector(), TaskCollector(), DatabaseCollector()):
        registry.register(of_nobody)
    own: list[Collector] = [lane_metrics.clock, PoolCollector(), ReplicaCollector()]
    if not os.environ.get(SHARED):
        for collector in own:
            registry.register(collector)
        return generate_latest(REGISTRY) + generate_latest(registry)
    MultiProcessCollector(registry)
    for collector in (*own, LiveCollector(lambda: hub.current().figures())):
        registry.register(OfThisProcess(collector))
    return generate_latest(registry)
