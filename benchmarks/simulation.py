"""``python -m benchmarks.simulation``: what 100,000 events a second over ten million domains take.

Nothing is started: calls are let through web processes and shards that cost what docs/benchmarks.md
measured. Domains are as popular as their rank says (one over it), and lie where a hash puts them; a
call is as slow as its slowest shard. The most popular domains are in every call, and a counter is
locked until its transaction ends: so calls are taken to follow one another on a shard, although
much of them overlaps. Without ``--shards`` several numbers of them are tried.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import sys
from dataclasses import dataclass
from typing import Final
from zlib import crc32

# Seconds of processor time, measured (docs/benchmarks.md, "Organisations"): of PostgreSQL and of
# the web process for a mail event in a call of 5,000.
DATABASE_EVENT: Final = 6.9e-6
WEB_EVENT: Final = 4.3e-6
# Seconds that a transaction takes beside its rows: the flush of a disk of its own (supposed).
COMMIT: Final = 0.004
# Bytes of write-ahead log: of an event with its index entries, and of a domain's counter that is
# raised (measured by benchmarks/tests/test_simulation.py).
WAL_EVENT: Final = 150
WAL_DOMAIN: Final = 160
# A domain's row with its index entry. A changed page is logged whole once after each checkpoint.
DOMAIN_BYTES: Final = 200
PAGE: Final = 8192
CHECKPOINT: Final = 300.0
# As many of the most popular domains are placed one by one; what is left is spread evenly.
PLACED: Final = 20_000
# Above this part of its time a core has no room for bursts.
BUSY: Final = 0.7


@dataclass(frozen=True, slots=True)
class Load:
    events: int  # a second
    domains: int
    call: int  # events in each
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    shards: int
    web: int  # processes, a core each
    busiest: float  # of a shard's time
    mean: float
    p50: float  # seconds, of a call
    p95: float
    wal: float  # bytes a second, of the busiest shard
    largest: float  # the busiest shard's part of all events

    @property
    def holds(self) -> bool:
        return self.busiest < BUSY and self.p95 < 0.2


def parts(domains: int, shards: int) -> list[float]:
    """Each shard's part of all events, when domain number ``n`` has 1/n of the first one's."""
    total = math.log(domains) + 0.5772
    found = [0.0] * shards
    placed = min(PLACED, domains)
    for rank in range(1, placed + 1):
        found[crc32(b"domain-%d" % rank) % shards] += 1 / rank / total
    rest = max(1 - sum(found), 0.0)
    return [part + rest / shards for part in found]


def distinct(domains: int, events: float) -> float:
    """How many different domains as many events are of, on average."""
    total = math.log(domains) + 0.5772
    found, low = 0.0, 1
    # Ranks in steps that grow, within which domains are alike.
    while low <= domains:
        high = min(low + max(low // 50, 1), domains + 1)
        middle = (low + high - 1) / 2
        found += (high - low) * -math.expm1(-events / middle / total)
        low = high
    return found


def run(load: Load, shards: int, *, seed: int = 1) -> Result:
    """Let calls come at random moments for ``load.seconds``."""
    chance = random.Random(seed)
    shares = parts(load.domains, shards)
    rate = load.events / load.call
    web = math.ceil(load.events * WEB_EVENT / BUSY)
    fronts = [0.0] * web
    # When each shard has ended what came before.
    free = [0.0] * shards
    busy = [0.0] * shards
    taken: list[float] = []
    now = 0.0
    while now < load.seconds:
        now += chance.expovariate(rate)
        parsed = max(now, heapq.heappop(fronts)) + load.call * WEB_EVENT
        heapq.heappush(fronts, parsed)
        done = parsed
        for shard, share in enumerate(shares):
            work = load.call * share * DATABASE_EVENT + COMMIT
            free[shard] = max(parsed, free[shard]) + work
            busy[shard] += work
            done = max(done, free[shard])
        taken.append(done - now)
    taken.sort()
    largest = max(shares)
    events = load.events * largest
    counters = rate * distinct(load.domains, load.call) * largest
    pages = min(load.domains * DOMAIN_BYTES / PAGE / shards, counters * CHECKPOINT)
    return Result(
        shards=shards,
        web=web,
        busiest=max(busy) / now,
        mean=sum(busy) / now / shards,
        p50=taken[len(taken) // 2],
        p95=taken[int(len(taken) * 0.95)],
        wal=events * WAL_EVENT + counters * WAL_DOMAIN + pages * PAGE / CHECKPOINT,
        largest=largest,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="a second")
    parser.add_argument("--domains", type=int, default=10_000_000)
    parser.add_argument("--call", type=int, default=5000, help="events in each call")
    parser.add_argument("--shards", type=int, help="this number of them only")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args(arguments)
    load = Load(options.events, options.domains, options.call, options.seconds)
    print(
        f"{load.events:,} events/s over {load.domains:,} domains, in calls of {load.call:,}"
        f" over {distinct(load.domains, load.call):,.0f} domains each"
    )
    print("shards  web  busiest  mean   largest part  p50 ms  p95 ms  WAL MB/s  TB of WAL a day")
    for shards in [options.shards] if options.shards else [1, 2, 4, 8, 16]:
        found = run(load, shards)
        print(
            f"{found.shards:6} {found.web:4} {found.busiest:7.0%} {found.mean:6.0%}"
            f" {found.largest:13.1%} {found.p50 * 1000:7.0f} {found.p95 * 1000:7.0f}"
            f" {found.wal / 1e6:9.1f} {found.wal * 86_400 / 1e12:10.2f}"
            f"   {'holds' if found.holds else 'does not hold'}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
