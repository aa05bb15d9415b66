"""``python -m benchmarks.board``: a million organisations seeded, built, searched, paged, streamed.

Terms are those of the design note and random parts of names. HTTP is one web process, the client on
the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import psutil

from benchmarks.children import ROOT, SERVER_CORE, WORK, CannotRun, Child, free_port, wait_for_port
from benchmarks.contenders import environment, valkey
from benchmarks.database import manage, postgres
from benchmarks.targets import Verdict, judge

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
RANDOM: Final = "random parts of names"
# All statements of a search; without counting a thousand hits they are what the target is about.
SQL: Final = "the same, in PostgreSQL"
UNCOUNTED: Final = "the same, hits not counted"
HTTP: Final = "random parts of names, by HTTP"
FIRST: Final = "stream, first chunk of 5,000"
PAGES: Final = (1, 20, 1000, 10_000, 20_000)
# What other orders are asked for: the first page, one that few turn to, and terms rare and common.
SORTED_PAGES: Final = (1, 1000, 20_000)
SORTED_TERMS: Final = ("zyxqvar", "acme", "holdings")
CLAIMED: Final = "5 ms (published: 1 M, with an index; nothing measured)"


@dataclass(frozen=True)
class BoardRow:
    """Milliseconds of one kind of work; ``growth`` is the web process's memory in MB."""

    work: str
    p50: float
    p99: float
    most: float
    growth: float = 0.0
    reference: str = ""


FOUND: Final[list[BoardRow]] = []


def tell(work: str, times: list[float], growth: float = 0.0, reference: str = "") -> None:
    """Keep and print a row; ``times`` are seconds, ``reference`` is the replaced service's."""
    ordered = [seconds * 1000 for seconds in sorted(times)]
    p99 = ordered[max(int(len(ordered) * 0.99) - 1, 0)]
    row = BoardRow(work, statistics.median(ordered), p99, ordered[-1], growth, reference)
    FOUND.append(row)
    grown = f"   memory +{growth:.1f} MB" if growth else ""
    grown += f"   reference {reference}" if reference else ""
    print(
        f"  {work:34} p50 {row.p50:9.2f}   p99 {row.p99:9.2f}   max {row.most:9.2f} ms{grown}",
        flush=True,
    )


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
        tell(repr(term), timed(partial(one, search, term), 40))
    rng = random.Random(11)
    most = built.total
    ids = [rng.randrange(1, most) for _ in range(random_terms)]
    names = list(Organisation.objects.filter(pk__in=ids).values_list("name", flat=True))
    terms = [part(rng, name) for name in names]
    for term in terms[:50]:
        one(search, term)
    tell(RANDOM, once(search, terms), reference=CLAIMED)
    tell(SQL, statements_of(search, terms))
    with patch.object(search, "COUNTED", 50):
        tell(UNCOUNTED, statements_of(search, terms))
    for number in PAGES:
        skip = (number - 1) * 50
        if skip < most:
            times = timed(partial(search.page, skip=skip, limit=50), 40)
            tell(f"page {number:,}", times)
    sorted_pages(search, most)
    bump(most)
    for term in TERMS:
        tell(f"{term!r}, 9,000 changed", timed(partial(one, search, term), 20))
    tell(f"{RANDOM}, 9,000 changed", once(search, terms))
    began = time.perf_counter()
    board.build()
    tell("a new copy is built", [time.perf_counter() - began])
    return terms


def sorted_pages(search: Any, most: int) -> None:
    """The orders that are not the one on disk."""
    from orgs.services.board_orders import CLAUSES

    for order in CLAUSES:
        for number in SORTED_PAGES:
            skip = (number - 1) * 50
            if skip < most:
                read = partial(search.page, skip=skip, limit=50, order=order)
                tell(f"sort={order}, page {number:,}", timed(read, 10))
        for term in SORTED_TERMS:
            read = partial(search.page, skip=0, limit=50, term=term, order=order)
            tell(f"sort={order}, {term!r}", timed(read, 10))


def one(search: Any, term: str) -> Any:
    return search.page(skip=0, limit=50, term=term)


def statements_of(search: Any, terms: Iterable[str]) -> list[float]:
    """Seconds that each search waits for its statements."""
    from django.db import connection

    found: list[float] = []

    def timing(execute: Any, *statement: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*statement)
        finally:
            found[-1] += time.perf_counter() - began

    with connection.execute_wrapper(timing):
        for term in terms:
            found.append(0.0)
            one(search, term)
    return found


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
        tell("9,000 counters raised", [time.perf_counter() - began])


def over_http(port: int, pid: int, terms: Iterable[str]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        times = []
        for number, term in enumerate(terms):
            began = time.perf_counter()
            client.get("/api/metrics/top-orgs", params={"search": term}).raise_for_status()
            if number >= 50:
                times.append(time.perf_counter() - began)
        tell(HTTP, times, reference=CLAIMED)
        size = len(
            client.get("/api/metrics/top-orgs", headers={"Accept-Encoding": "identity"}).content
        )
        print(f"HTTP, 50 rows: {size:,} bytes before compression")
        process, firsts = psutil.Process(pid), []
        for _ in range(3):
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
            if first is None:
                raise CannotRun("the stream held nothing")
            firsts.append(first)
            tell(f"stream, {rows:,} rows", [took], (peak - before) / 1e6)
        tell(FIRST, firsts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--terms", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="a file for the rows")
    given = parser.parse_args()
    with postgres(core=None) as database, valkey() as cache:
        began = time.perf_counter()
        manage(database, "seed_orgs", "--count", str(given.count), valkey=cache)
        tell("seed_orgs, board included", [time.perf_counter() - began])
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
    if given.keep:
        given.keep.write_text(json.dumps([asdict(row) for row in FOUND]))


def measure(*, count: int, terms: int, minutes: float) -> list[BoardRow]:
    """In a process of its own, which has its own database. Raises ``CannotRun``."""
    kept = WORK / f"board-{count}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.board", "--count", str(count)]
    command += ["--terms", str(terms), "--keep", str(kept)]
    try:
        subprocess.run(command, cwd=ROOT, check=True, timeout=minutes * 60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
        raise CannotRun(f"{count:,} organisations: {problem}") from problem
    return [BoardRow(**row) for row in json.loads(kept.read_text())]


def verdicts(rows: list[BoardRow], count: int) -> list[Verdict]:
    """What DESIGN section 7 asks, of the rows of one size."""
    by_work = {row.work: row for row in rows}
    grown = max(row.growth for row in rows)
    sql, http, first = by_work[SQL], by_work[HTTP], by_work[FIRST]
    alone = by_work[UNCOUNTED]
    size = f"{count:,} organisations"
    return [
        judge(f"SQL of a search p99 under 5 ms, {size}", f"{alone.p99:.1f} ms", alone.p99 < 5),
        judge(f"with hits counted to a thousand, {size}", f"{sql.p99:.1f} ms", sql.p99 < 5),
        judge(f"search by HTTP p99 under 25 ms, {size}", f"{http.p99:.1f} ms", http.p99 < 25),
        judge(f"stream, first chunk under 50 ms, {size}", f"{first.p50:.0f} ms", first.p50 < 50),
        judge(f"stream, under 10 MB, {size}", f"{grown:.1f} MB", grown < 10),
    ]


if __name__ == "__main__":
    main()
