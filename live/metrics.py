"""Figures of the pushes, kept as plain integers on the hot path and read when Prometheus asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector


@dataclass(slots=True)
class Counters:
    """Since the process started: ``conflated`` counts updates put off because a client was busy."""

    frames: int = 0
    conflated: int = 0
    blocked: int = 0
    messages: int = 0
    malformed: int = 0
    reconnects: int = 0
    refused: int = 0


@dataclass(frozen=True)
class TopicFigures:
    name: str
    subscribers: int
    dropped: int
    silent_seconds: float


@dataclass(frozen=True)
class Figures:
    clients: int
    connected: bool
    counters: Counters
    topics: list[TopicFigures]


COUNTED = {
    "frames": "Frames written to clients",
    "conflated": "Updates put off because the client was busy",
    "blocked": "Frames that found the client's socket full",
    "messages": "Messages received from Valkey",
    "malformed": "Messages from Valkey that could not be read",
    "reconnects": "Connections to Valkey lost and made again",
    "refused": "Connections and requests of clients refused",
}


class LiveCollector(Collector):
    """Turns ``figures()`` into metrics at each scrape."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self.figures = figures

    def collect(self) -> Iterable[Metric]:
        figures = self.figures()
        for name, text in COUNTED.items():
            value = getattr(figures.counters, name)
            yield CounterMetricFamily(f"quayside_live_{name}", text, value=value)
        yield GaugeMetricFamily("quayside_live_clients", "Open connections", value=figures.clients)
        yield GaugeMetricFamily(
            "quayside_live_connected", "Whether Valkey is connected", value=int(figures.connected)
        )
        yield from self._per_topic(figures.topics)

    def _per_topic(self, topics: list[TopicFigures]) -> Iterable[Metric]:
        subscribers = GaugeMetricFamily(
            "quayside_live_subscribers", "Subscriptions to a topic", labels=["topic"]
        )
        dropped = CounterMetricFamily(
            "quayside_live_dropped", "Messages dropped as out of date", labels=["topic"]
        )
        silent = GaugeMetricFamily(
            "quayside_live_message_age_seconds", "Since the publisher spoke", labels=["topic"]
        )
        for topic in topics:
            subscribers.add_metric([topic.name], topic.subscribers)
            dropped.add_metric([topic.name], topic.dropped)
            silent.add_metric([topic.name], topic.silent_seconds)
        return subscribers, dropped, silent


def publish(figures: Callable[[], Figures]) -> None:
    """Serve ``figures`` on ``/metrics``; to be called once in a process."""
    REGISTRY.register(LiveCollector(figures))
