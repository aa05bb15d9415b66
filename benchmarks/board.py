"""``python -m benchmarks.board``: a million organisations seeded, built, searched, paged, streamed.

Terms are those of the design note and random parts of names. HTTP is one web process, the client on
the same machine.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import httpx
import psutil

from benchmarks.children import SERVER_CORE, Child, free_port, wait_for_port
from benchmarks.contenders import environment, valkey
from benchmarks.database import manage, postgres

TERMS: Final = (
    "zyxqvar",
    "acme",
    "kwik",
    "holdings",
    "nothing has this",
    "global hold",
    "qu",
    "zy",
)
PAGES: Final = (1, 20, 1000, 10_000, 20_000)


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99) - 1]
    return f"p50 {p50 * 1000:7.2f} ms   p99 {p99 * 1000:7.2f} ms   max {ordered[-1] * 1000:7.2f} ms"


def timed(work: Callable[[], Any], times: int) -> list[float]:
    work()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def statements(random_terms: int) -> list[str]:
    """The services themselves, connection included, in this process."""
    import django

    django.setup()
    from orgs.models import Organisation
    from orgs.services import board, search

    built = board.newest(board.Period.ALL)
    for term in TERMS:
        print(f"  {term!r:20} {percentiles(timed(partial(one, search, term), 40))}")
    rng = random.Random(11)
    most = built.total
    ids = [rng.randrange(1, most) for _ in range(random_terms)]
    names = list(Organisation.objects.filter(pk__in=ids).values_list("name", flat=True))
    terms = [part(rng, name) for name in names]
    for term in terms[:50]:
        one(search, term)
    print(f"  {len(terms)} random parts {percentiles(once(search, terms))}")
    for number in PAGES:
        skip = (number - 1) * 50
        if skip < most:
            times = timed(partial(search.page, skip=skip, limit=50), 40)
            print(f"  page {number:>6,}        {percentiles(times)}")
    bump(most)
    print("with 9,000 organisations changed since the copy:")
    for term in TERMS:
        print(f"  {term!r:20} {percentiles(timed(partial(one, search, term), 20))}")
    print(f"  {len(terms)} random parts {percentiles(once(search, terms))}")
    began = time.perf_counter()
    board.build()
    print(f"build of {most:,}: {time.perf_counter() - began:.1f} s")
    return terms


def one(search: Any, term: str) -> Any:
    return search.page(skip=0, limit=50, term=term)


def once(search: Any, terms: Iterable[str]) -> list[float]:
    found = []
    for term in terms:
        began = time.perf_counter()
        one(search, term)
        found.append(time.perf_counter() - began)
    return found


def part(rng: random.Random, name: str) -> str:
    length = rng.randint(2, 9)
    start = rng.randrange(max(len(name) - length, 1))
    return name[start : start + length]


def bump(most: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(
            "UPDATE orgs_stat SET actions = actions + 1 WHERE org_id IN"
            " (SELECT 1 + (random() * %s)::bigint FROM generate_series(1, 9000))",
            [most - 1],
        )
        print(f"9,000 counters raised in {(time.perf_counter() - began) * 1000:.0f} ms")


def over_http(port: int, pid: int, terms: Iterable[str]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        times = []
        for number, term in enumerate(terms):
            began = time.perf_counter()
            client.get("/api/metrics/top-orgs", params={"search": term}).raise_for_status()
            if number >= 50:
                times.append(time.perf_counter() - began)
        print(f"HTTP, {len(times)} searches   {percentiles(times)}")
        size = len(
            client.get("/api/metrics/top-orgs", headers={"Accept-Encoding": "identity"}).content
        )
        print(f"HTTP, 50 rows: {size:,} bytes before compression")
        process = psutil.Process(pid)
        for run in range(3):
            before = process.memory_info().rss
            began = time.perf_counter()
            first, rows, peak, tail = None, 0, before, b""
            with client.stream("GET", "/api/metrics/orgs-stream?chunkSize=5000") as answer:
                answer.raise_for_status()
                for body in answer.iter_bytes():
                    if first is None and b"data:" in body:
                        first = time.perf_counter() - began
                        peak = max(peak, process.memory_info().rss)
                    # A word may lie across two reads.
                    rows += (tail + body).count(b'"rank"')
                    tail = body[-5:]
                    peak = max(peak, process.memory_info().rss)
            took = time.perf_counter() - began
            grown = (peak - before) / 1e6
            print(
                f"stream {run + 1}: {rows:,} rows in {took:.2f} s, first chunk"
                f" {(first or 0) * 1000:.0f} ms, memory +{grown:.1f} MB"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--terms", type=int, default=500)
    given = parser.parse_args()
    with postgres() as database, valkey() as cache:
        began = time.perf_counter()
        manage(database, "seed_orgs", "--count", str(given.count), valkey=cache)
        print(f"seed_orgs, board included: {time.perf_counter() - began:.1f} s", flush=True)
        port = free_port()
        env = {
            **environment(port=port, valkey=cache, database=database),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_POOL_SIZE": "4",
            "QUAYSIDE_OPEN_ENDPOINTS": "metrics",
            "THROTTLE_ANON": "100000000/min",
        }
        os.environ.update(env)
        terms = statements(given.terms)
        web = [sys.executable, "-m", "config.serve"]
        with Child(web, core=SERVER_CORE, env=env, name="web") as child:
            wait_for_port(child, port)
            over_http(port, child.process.pid, terms)


if __name__ == "__main__":
    main()
