"""How long fast lanes take: plain integers on the hot path, a histogram when Prometheus asks.

Prometheus's own histogram takes a lock and some microseconds, a tenth of what a lane costs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# Upper bounds in seconds.
BOUNDS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)


class LaneClock(Collector):
    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def note(self, lane: str, seconds: float) -> None:
        counts = self._counts.get(lane)
        if counts is None:
            counts = self._counts[lane] = [0] * (len(BOUNDS) + 1)
            self._sums[lane] = 0.0
        counts[bisect_left(BOUNDS, seconds)] += 1
        self._sums[lane] += seconds

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "quayside_fast_lane_seconds", "Time to answer without Django", labels=["lane"]
        )
        for lane, counts in list(self._counts.items()):
            so_far, buckets = 0, []
            for bound, number in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
                so_far += number
                buckets.append((bound, float(so_far)))
            family.add_metric([lane], buckets, self._sums[lane])
        yield family


# Of this process; ``config.metrics`` serves it.
clock: Final = LaneClock()
