"""What PgBouncer and a standby cost and gain: ``python -m benchmarks --only scaled``.

One durable primary and a standby that follows it by its log, PgBouncer before each as deployed, and
three web processes that differ in nothing but the way to their database. They take turns under the
same load. Everything except the web processes shares the client's core, so what a standby takes off
the primary shows in the primary's processor time; only machines of their own turn it into answers.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg

from benchmarks import build
from benchmarks.children import (
    CLIENT_CORE,
    SERVER_CORE,
    CannotRun,
    Child,
    free_port,
    pinned,
    wait_for_port,
)
from benchmarks.contenders import environment, valkey
from benchmarks.database import manage, python
from benchmarks.desk import percentiles
from benchmarks.report import table
from demo import servers

ORGS: Final = 20_000
CONNECTIONS: Final = 32
CLIENTS: Final = 200
# deploy/pgbouncer/pgbouncer.ini, without its reserve.
POOL: Final = 40
# Room for every client without PgBouncer as well.
SETTINGS: Final = {"max_connections": "300"}
PAGE: Final = "/rates/"
SEARCH: Final = "/api/metrics/top-orgs?search=be"
PUT: Final = "/v1/events/bench-###.example/delivered"
DIRECT, PROXIED, REPLICATED = "direct", "PgBouncer", "PgBouncer, standby"
READY_SECONDS: Final = 20.0
LOOK_EVERY: Final = 0.1
WARM_SECONDS: Final = 0.4
LOOK: Final = """
SELECT coalesce(max(extract(epoch FROM replay_lag)) * 1000, 0)::float,
       coalesce(max(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)) / 1000, 0)::float,
       (SELECT count(*) FROM pg_stat_activity WHERE query = %s)
FROM pg_stat_replication
"""
# What each of the crowd asks: long enough for all to be at it at once.
ASK: Final = "SELECT pg_sleep(0.3)"


@dataclass(frozen=True)
class ScaledRow:
    """One kind of work by one way to the database. Times in ms; CPU in cores.

    ``primary_ms`` is the primary's CPU for one answer, where nothing else was asked meanwhile;
    ``behind_ms`` and ``behind_kb`` are the most that the standby was seen to lack.
    ``connections`` is how many the primary had, where clients ask PostgreSQL themselves.
    """

    work: str
    way: str
    requests_per_s: float
    p50: float
    p99: float
    primary_cpu: float
    standby_cpu: float
    behind_ms: float
    behind_kb: float
    errors: int = 0
    primary_ms: float | None = None
    connections: int | None = None


@dataclass(frozen=True)
class Stack:
    """The servers, and their addresses past PgBouncer and through it."""

    primary: Child
    standby: Child
    direct: str
    proxied: str
    replica: str


class Watch:
    """What the two servers use and how far the second is behind, from ``with`` to its end."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.behind_ms = self.behind_kb = 0.0
        self.connections = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._before = (_cpu(self.stack.primary), _cpu(self.stack.standby))
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.seconds = time.monotonic() - self._began
        used = (_cpu(self.stack.primary), _cpu(self.stack.standby))
        self.primary_cpu, self.standby_cpu = (
            (after - before) / self.seconds
            for after, before in zip(used, self._before, strict=True)
        )
        self._done.set()
        self._thread.join()

    def _look_on(self) -> None:
        with psycopg.connect(self.stack.direct, autocommit=True) as connection:
            while not self._done.wait(LOOK_EVERY):
                found = connection.execute(LOOK, [ASK]).fetchone()
                assert found is not None
                self.behind_ms = max(self.behind_ms, found[0])
                self.behind_kb = max(self.behind_kb, found[1])
                self.connections = max(self.connections, found[2])

    def row(self, work: str, way: str, told: dict[str, Any], *, alone: bool = True) -> ScaledRow:
        """``told`` is what the load client printed; ``alone`` where it was the only one."""
        errors = sum(told.get(name, 0) for name in ("client_errors", "server_errors", "broken"))
        each = self.primary_cpu * self.seconds / max(told["ok"], 1) * 1000
        times = (told["requests_per_s"], told["p50"], told["p99"])
        used = (self.primary_cpu, self.standby_cpu, self.behind_ms, self.behind_kb)
        return ScaledRow(work, way, *times, *used, errors, each if alone else None)


def _cpu(server: Child) -> float:
    """Seconds, with those of processes that have ended: their parent keeps the sum."""
    used = 0.0
    for process in server.family():
        with suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:4])
    return used


@contextmanager
def stack(cache: str) -> Iterator[tuple[Stack, str]]:
    """The servers with organisations, pairs and an operator, whose session comes second.

    Raises ``CannotRun`` without PgBouncer.
    """
    if shutil.which("pgbouncer") is None:
        raise CannotRun("PgBouncer is not installed: `make pgbouncer`.")
    home, password = Path(tempfile.mkdtemp(prefix="quayside-bench-")), secrets.token_hex(8)
    home.chmod(0o711)
    try:
        with ExitStack() as kept:
            start = partial(_postgres, kept, home, password)
            servers.initialise_postgres(home / "primary", password=password)
            primary, direct = start("primary")
            manage(direct, "migrate", "--verbosity", "0")
            # Pages name their files by what is in them.
            manage(direct, "collectstatic", "--no-input", "--clear", "--verbosity", "0")
            manage(direct, "seed_orgs", "--count", str(ORGS), valkey=cache)
            seeded = python(direct, "-m", "benchmarks.seed", valkey=cache).splitlines()[-1]
            with psycopg.connect(direct, autocommit=True) as connection:
                # Not later, beside what is measured.
                connection.execute("VACUUM ANALYZE")
            servers.replicate_postgres(direct, home / "standby")
            standby, followed = start("standby")
            proxied = _proxy(kept, home / "before-primary", direct)
            replica = _proxy(kept, home / "before-standby", followed)
            running = Stack(primary, standby, direct, proxied, replica)
            yield running, json.loads(seeded)["session"]
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _postgres(kept: ExitStack, home: Path, password: str, name: str) -> tuple[Child, str]:
    """Durable as in production: a commit waits until the primary's disk has it."""
    data, port = home / name, free_port()
    command = servers.postgres_command(data, port=port, settings=SETTINGS)
    url = f"postgresql://{servers.POSTGRES_USER}:{password}@127.0.0.1:{port}/postgres"
    return _serve(kept, command, data, url), url


def _proxy(kept: ExitStack, folder: Path, before: str) -> str:
    port = free_port()
    command = servers.pgbouncer_command(folder, port=port, url=before, pool_size=POOL)
    url = before.replace(f":{urlsplit(before).port}/", f":{port}/")
    _serve(kept, command, folder, url)
    return url


def _serve(kept: ExitStack, command: list[str], folder: Path, url: str) -> Child:
    owner: dict[str, Any] = servers.run_as(servers.system_user())
    child = Child(command, core=CLIENT_CORE, cwd=folder, name=folder.name, **owner)
    kept.enter_context(child)
    servers.wait_for_postgres(url)
    return child


@contextmanager
def webs(running: Stack, cache: str) -> Iterator[dict[str, int]]:
    """A web process for each way, warm; ways to ports."""
    proxied = {"DATABASE_POOL_SIZE": "0", "DATABASE_DIRECT_URL": running.direct}
    ways = {
        DIRECT: (running.direct, {}),
        PROXIED: (running.proxied, proxied),
        REPLICATED: (running.proxied, {**proxied, "DATABASE_REPLICA_URL": running.replica}),
    }
    with ExitStack() as kept:
        ports, started = {}, {}
        for way, (url, extra) in ways.items():
            ports[way] = free_port()
            env = {
                **environment(port=ports[way], valkey=cache, database=url),
                "QUAYSIDE_OPEN_ENDPOINTS": "metrics,events",
                "THROTTLE_ANON": "100000000/min",
                "THROTTLE_USER": "100000000/min",
                "THROTTLE_EVENTS": "100000000/min",
                **extra,
            }
            command = [sys.executable, "-m", "config.serve"]
            name = f"web-{len(ports)}"
            started[way] = kept.enter_context(Child(command, core=SERVER_CORE, env=env, name=name))
        for way, child in started.items():
            wait_for_port(child, ports[way])
        _wait_for_replica(ports[REPLICATED])
        yield ports


def _wait_for_replica(port: int) -> None:
    """Until this process knows that the standby may be read. Raises ``CannotRun``."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        told = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        known = [line for line in told.splitlines() if line.startswith("quayside_replica_lag_s")]
        if known and float(known[0].split()[-1]) < 1:
            return
        if time.monotonic() > deadline:
            raise CannotRun(f"The web process does not read the standby: {known}")
        time.sleep(LOOK_EVERY)


def _begin(port: int, path: str, *words: str, seconds: float) -> subprocess.Popen[str]:
    command = [str(build.load_client("httpload")), "--port", str(port), "--path", path]
    command += ["--connections", str(CONNECTIONS), "--seconds", str(seconds), *words]
    return subprocess.Popen(pinned(command, CLIENT_CORE), stdout=subprocess.PIPE, text=True)


def _end(load: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = load.communicate()
    if load.returncode:
        raise CannotRun(f"The load client ended with {load.returncode}.")
    told: dict[str, Any] = json.loads(said)
    return told


def _load(port: int, path: str, *words: str, seconds: float) -> dict[str, Any]:
    return _end(_begin(port, path, *words, seconds=seconds))


def _beside(running: Stack, way: str, port: int, *, seconds: float) -> list[ScaledRow]:
    """The search while events are written as fast as they are taken, and those events."""
    with Watch(running) as watch:
        writer = _begin(port, PUT, "--method", "PUT", seconds=seconds)
        told = _load(port, SEARCH, seconds=seconds)
        written = _end(writer)
    return [
        watch.row("search beside PUTs", way, told, alone=False),
        watch.row("PUTs beside search", way, written, alone=False),
    ]


def crowd(running: Stack, way: str, url: str) -> ScaledRow:
    """So many clients connect at once; then all of them ask at once, while servers are counted."""
    together = threading.Barrier(CLIENTS + 1, timeout=READY_SECONDS)

    def client(_: int) -> float:
        together.wait()
        began = time.perf_counter()
        with psycopg.connect(url, autocommit=True) as connection:
            took = (time.perf_counter() - began) * 1000
            together.wait()
            connection.execute(ASK)
            together.wait()
        return took

    with ThreadPoolExecutor(CLIENTS) as threads:
        asked = threads.map(client, range(CLIENTS))
        try:
            with Watch(running) as connecting:
                together.wait()
                together.wait()
            with Watch(running) as asking:
                together.wait()
        except threading.BrokenBarrierError as problem:
            raise CannotRun(f"Not all of {CLIENTS} clients were served: {way}.") from problem
        cuts = percentiles(list(asked))
    told = {"requests_per_s": CLIENTS / connecting.seconds, "ok": CLIENTS, **cuts}
    row = connecting.row(f"{CLIENTS} clients connect", way, told)
    return replace(row, connections=asking.connections)


def measure(*, seconds: float, runs: int) -> list[ScaledRow]:
    """Ways in turn, ``runs`` times; medians. Raises ``CannotRun``."""
    with valkey() as cache, stack(cache) as (running, session):
        ways = {DIRECT: running.direct, PROXIED: running.proxied}
        crowds = [crowd(running, way, url) for way, url in ways.items()]
        works: dict[str, tuple[str, ...]] = {
            "page, signed in": (PAGE, "--header", f"Cookie: sessionid={session}"),
            "search": (SEARCH,),
            "PUT": (PUT, "--method", "PUT"),
        }
        with webs(running, cache) as ports:
            for port, words in product(ports.values(), works.values()):
                _load(port, *words, seconds=WARM_SECONDS)
            taken = [_turn(running, works, ports, seconds) for _ in range(runs)]
    return [*map(_middle, zip(*taken, strict=True)), *crowds]


def _turn(
    running: Stack, works: dict[str, tuple[str, ...]], ports: dict[str, int], seconds: float
) -> list[ScaledRow]:
    rows = []
    for (work, words), (way, port) in product(works.items(), ports.items()):
        with Watch(running) as watch:
            told = _load(port, *words, seconds=seconds)
        rows.append(watch.row(work, way, told))
    both = [_beside(running, way, port, seconds=seconds) for way, port in ports.items()]
    return [*rows, *(row for pair in zip(*both, strict=True) for row in pair)]


def _middle(rows: Sequence[ScaledRow]) -> ScaledRow:
    """Of the same work by the same way: medians, but the worst lag and every error."""
    figures = ("requests_per_s", "p50", "p99", "primary_cpu", "standby_cpu")
    each = [row.primary_ms for row in rows if row.primary_ms is not None]
    return replace(
        rows[0],
        **{name: median(getattr(row, name) for row in rows) for name in figures},
        behind_ms=max(row.behind_ms for row in rows),
        behind_kb=max(row.behind_kb for row in rows),
        errors=sum(row.errors for row in rows),
        primary_ms=median(each) if each else None,
    )


def show(rows: list[ScaledRow]) -> None:
    """``x`` is the rate divided by that of the direct way."""
    direct = {row.work: row.requests_per_s for row in rows if row.way == DIRECT}
    heads = ("work", "way", "answers/s", "x", "p50", "p99 ms", "primary", "ms each", "standby")
    lines = [
        [
            row.work,
            row.way,
            f"{row.requests_per_s:,.0f}",
            f"{row.requests_per_s / direct[row.work]:.2f}" if direct[row.work] else "-",
            f"{row.p50:.1f}",
            f"{row.p99:.1f}",
            f"{row.primary_cpu:.0%}",
            "-" if row.primary_ms is None else f"{row.primary_ms:.2f}",
            f"{row.standby_cpu:.0%}",
            f"{row.behind_ms:.0f}",
            f"{row.behind_kb:,.0f}",
            "-" if row.connections is None else str(row.connections),
            str(row.errors),
        ]
        for row in rows
    ]
    more = ("behind ms", "KB", "connections", "errors")
    table(f"PgBouncer and a standby, {CONNECTIONS} connections", (*heads, *more), lines)
