"""``python -m benchmarks``: measure, print, keep. ``--help`` lists the options."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from benchmarks import (
    api,
    board,
    build,
    chain,
    chain_follow,
    chain_pages,
    desk,
    ingest,
    page,
    report,
    scaled,
    scenarios,
    targets,
    wallet,
)
from benchmarks.children import CannotRun, can_pin, raise_file_limit
from benchmarks.coins import measure as measure_coins
from benchmarks.coins import show as show_coins
from benchmarks.coins import verdicts as coin_verdicts
from benchmarks.contenders import PLAIN_WS, SOCKETIO, Contender, quayside
from benchmarks.database import manage, postgres
from benchmarks.push import Row, Scenario
from benchmarks.report import Report


class Run:
    """One invocation: its options, its database, and what it has found so far."""

    def __init__(self, options: argparse.Namespace, database: str, found: Report) -> None:
        self.options = options
        self.database = database
        self.found = found
        self.seconds: float = 2.0 if options.quick else 3.0

    def note(self, text: str) -> None:
        print(f"  {text}", flush=True)
        self.found.notes.append(text)

    def rows(self, title: str, rows: list[Row]) -> list[Row]:
        report.push_table(title, rows)
        self.found.sections[title] = [{**asdict(row), "doubts": row.doubts} for row in rows]
        return rows

    def keep(self, title: str, rows: Sequence[Any]) -> None:
        self.found.sections[title] = [asdict(row) for row in rows]

    def measure(self, which: list[Scenario], who: tuple[Contender, ...], runs: int) -> list[Row]:
        return scenarios.measure(which, who, runs=runs, database=self.database, note=self.note)


def push(run: Run) -> None:
    load = scenarios.main_load(run.options.clients, run.seconds)
    rows = run.measure(load, scenarios.EVERYONE, run.options.runs)
    run.rows("Tick and spread edit to client", rows)
    run.found.verdicts += targets.push_verdicts(rows)


def slow(run: Run) -> None:
    runs = 1 if run.options.quick else min(run.options.runs, 2)
    rows = run.measure(scenarios.slow_readers(run.seconds + 2), scenarios.EVERYONE, runs)
    run.rows("Slow readers", rows)


def crowd(run: Run) -> None:
    everyone = scenarios.EVERYONE
    fast = run.measure(scenarios.saturation(run.seconds), everyone, 1)
    run.rows("What one process sustains", fast)
    if run.options.quick:
        return
    run.rows("Herd", run.measure(scenarios.herd(run.seconds), everyone, 1))
    conflating = quayside(0.1, "quayside, 100 ms window")
    rows = run.measure(scenarios.many(run.seconds + 2), (conflating, SOCKETIO, PLAIN_WS), 1)
    run.rows("10,000 clients", rows)
    run.found.verdicts += targets.capacity_verdicts(rows)


def path(run: Run) -> None:
    sizes = (1, 100) if run.options.quick else (1, 100, 1000)
    rows = []
    with desk.desk(run.database) as running:
        for clients in sizes:
            print(f"  exchange to client, {clients} clients", flush=True)
            edits = 10 if run.options.quick else 40
            rows.append(desk.measure(running, clients, seconds=run.seconds + 2, edits=edits))
    report.path_table(rows)
    run.keep("Real path", rows)
    run.found.verdicts += targets.path_verdicts(rows)


def http(run: Run) -> None:
    with desk.desk(run.database) as running:
        rows = api.measure(running, seconds=run.seconds, runs=min(run.options.runs, 3))
    report.http_table(rows)
    run.keep("HTTP", rows)


def browse(run: Run) -> None:
    manage(run.database, "collectstatic", "--no-input", "--clear", "--verbosity", "0")
    with desk.desk(run.database) as running:
        row = page.measure(running.port, runs=1 if run.options.quick else 5, live_seconds=5)
        packed = ["Accept-Encoding: gzip, br"]
        answers = api.load(running.port, api.PATH, headers=packed, seconds=0.3)
        listed = answers["body_bytes"] if answers["ok"] else 0
    report.page_table(row)
    run.keep("Page", [row])
    run.found.verdicts += targets.page_verdicts(row, listed)


def top_coins(run: Run) -> None:
    with desk.desk(run.database) as running:
        rows, refresh = measure_coins(running, seconds=run.seconds, runs=min(run.options.runs, 3))
    show_coins(rows, refresh)
    run.keep("Top coins", [*rows, refresh])
    run.found.verdicts += coin_verdicts(rows, refresh)


def sign_in(run: Run) -> None:
    row = wallet.measure(run.database)
    report.wallet_table(row)
    run.keep("Wallet sign-in", [row])
    run.found.verdicts += targets.wallet_verdicts(row)


def read_chain(run: Run) -> None:
    rows = chain.measure(runs=4 if run.options.quick else 20)
    chain.show(rows)
    run.keep("Reading balances from a node", rows)
    run.found.verdicts += chain.verdicts(rows)


def follow(run: Run) -> None:
    row = chain_follow.measure(run.database)
    chain_follow.show(row)
    run.keep("Following a chain", [row])
    run.found.verdicts += chain_follow.verdicts(row)


def read_past(run: Run) -> None:
    points = chain_pages.POINTS // 10 if run.options.quick else chain_pages.POINTS
    rows = chain_pages.measure(run.database, points=points)
    chain_pages.show(rows)
    run.keep("Reading a long history", rows)
    run.found.verdicts += chain_pages.verdicts(rows)


def take_events(run: Run) -> None:
    sizes = (10_000,) if run.options.quick else ingest.SIZES
    with postgres(core=None) as database:
        rows = ingest.measure(database, seconds=run.seconds, sizes=sizes)
    ingest.ingest_table(rows)
    run.keep("Events", rows)
    run.found.verdicts += ingest.verdicts(rows)


def scale_out(run: Run) -> None:
    rows = scaled.measure(seconds=run.seconds, runs=1 if run.options.quick else 2)
    scaled.show(rows)
    run.keep("PgBouncer and a standby", rows)


def search_orgs(run: Run) -> None:
    """Each size has a database of its own, and so many minutes."""
    sizes = {20_000: 3} if run.options.quick else {1_000_000: 8, 10_000_000: 45}
    for count, minutes in sizes.items():
        print(f"\nThe board, {count:,} organisations", flush=True)
        rows = board.measure(count=count, terms=500, minutes=minutes)
        run.keep(f"The board, {count:,} organisations", rows)
        run.found.verdicts += board.verdicts(rows, count)


SECTIONS: dict[str, Callable[[Run], None]] = {
    "push": push,
    "slow": slow,
    "crowd": crowd,
    "path": path,
    "http": http,
    "page": browse,
    "coins": top_coins,
    "wallet": sign_in,
    "chain": read_chain,
    "follow": follow,
    "past": read_past,
    "ingest": take_events,
    "scaled": scale_out,
    "board": search_orgs,
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small crowds, short windows, one run")
    parser.add_argument("--only", help=f"some of {','.join(SECTIONS)}, separated by commas")
    parser.add_argument("--clients", help="crowds of the push rows, for example 1,100,1000,5000")
    parser.add_argument("--runs", type=int, help="repetitions of a push row; the median is shown")
    given = parser.parse_args()
    given.only = given.only.split(",") if given.only else list(SECTIONS)
    unknown = set(given.only) - set(SECTIONS)
    if unknown:
        parser.error(f"--only {','.join(sorted(unknown))}: choose from {', '.join(SECTIONS)}")
    sizes = given.clients or ("1,100" if given.quick else "1,100,1000,5000")
    if not all(size.isdecimal() and 0 < int(size) <= 15_000 for size in sizes.split(",")):
        parser.error(f"--clients {sizes}: whole numbers from 1 to 15000, separated by commas")
    given.clients = [int(size) for size in sizes.split(",")]
    given.runs = given.runs or (1 if given.quick else 3)
    return given


def main() -> int:
    given = options()
    # Ends like Ctrl-C does: through every clean-up, so that no child is left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    raise_file_limit()
    found = Report(options=vars(given))
    try:
        build.load_client()
        with ExitStack() as stack:
            run = Run(given, stack.enter_context(postgres()), found)
            if not can_pin():
                run.note("Not pinned: taskset or a second core is missing, so figures are rough.")
            for name in given.only:
                try:
                    SECTIONS[name](run)
                except CannotRun as problem:
                    run.note(f"{name}: not run. {problem}")
    except CannotRun as problem:
        print(problem, file=sys.stderr)
        return 1
    report.verdict_table(found.verdicts)
    for note in found.notes:
        print(note)
    found.write()
    print(f"\nWritten to {report.LATEST}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
