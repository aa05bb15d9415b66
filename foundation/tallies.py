"""Counts of processes that answer no HTTP, added up in Valkey and read when Prometheus asks.

Workers, feeds and followers of chains come and go, several at a time; their sums stay here. A lost
Valkey sets them back to zero, which Prometheus takes for a restart. Nothing here raises: work is
never undone because it could not be counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import structlog
from prometheus_client.core import HistogramMetricFamily
from redis.exceptions import RedisError

from foundation import valkey

logger = structlog.get_logger(__name__)

# Hash in Valkey: the words of a field are joined by this, which no name and no label holds.
KEY: Final = "tallies"
JOINT: Final = "|"
# Upper bounds in seconds, for work of a millisecond to work of minutes.
BOUNDS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
SUM: Final = "sum"


# What one fact adds to a pipeline.
Fact = Callable[[Any], object]


def counted(name: str, *labels: str) -> Fact:
    """One more in the counter ``name``."""
    return lambda pipeline: pipeline.hincrby(KEY, JOINT.join((name, *labels)), 1)


def observed(name: str, *labels: str, seconds: float) -> Fact:
    """One more in the histogram ``name``."""
    place = bisect_left(BOUNDS, seconds)

    def add(pipeline: Any) -> None:
        pipeline.hincrby(KEY, JOINT.join((name, *labels, str(place))), 1)
        pipeline.hincrbyfloat(KEY, JOINT.join((name, *labels, SUM)), seconds)

    return add


def kept(name: str, *labels: str, value: float) -> Fact:
    """The newest value of a gauge."""
    return lambda pipeline: pipeline.hset(KEY, JOINT.join((name, *labels)), str(value))


def tell(*facts: Fact) -> None:
    """Add all of them at once, in one round trip."""
    try:
        with valkey.client().pipeline(transaction=True) as pipeline:
            for fact in facts:
                fact(pipeline)
            pipeline.execute()
    except RedisError as problem:
        logger.debug("not counted", error=repr(problem))


# --- Reading ------------------------------------------------------------------------------------

Tallies = Mapping[tuple[str, ...], float]


def read() -> Tallies:
    """Name and labels to value; empty while Valkey is away."""
    try:
        found: Any = valkey.client().hgetall(KEY)
    except RedisError:
        return {}
    return {tuple(name.decode().split(JOINT)): float(value) for name, value in found.items()}


def of(tallies: Tallies, name: str) -> Iterator[tuple[list[str], float]]:
    """Labels and value of each counter or gauge called ``name``."""
    return (([*words[1:]], value) for words, value in tallies.items() if words[0] == name)


def histogram(
    tallies: Tallies, name: str, metric: str, text: str, labels: list[str]
) -> HistogramMetricFamily:
    """What ``observed`` has added up under ``name``, as the metric ``metric``."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for words, value in of(tallies, name):
        found.setdefault(tuple(words[:-1]), {})[words[-1]] = value
    family = HistogramMetricFamily(metric, text, labels=labels)
    for values, parts in found.items():
        so_far, buckets = 0.0, []
        for place, bound in enumerate((*BOUNDS, float("inf"))):
            so_far += parts.get(str(place), 0.0)
            buckets.append(("+Inf" if bound == float("inf") else str(bound), so_far))
        family.add_metric(list(values), buckets, parts.get(SUM, 0.0))
    return family
