"""The real path: simulated exchange, feed, Valkey, web process, and an operator who edits."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import httpx
import redis

from benchmarks.children import (
    CLIENT_CORE,
    SERVER_CORE,
    CannotRun,
    Child,
    Core,
    free_port,
    wait_for_port,
)
from benchmarks.contenders import environment, quayside, valkey
from benchmarks.database import python
from benchmarks.load import Crowd, LoadClient
from rates.constants import key_quotes

EDITED = "BTC_USD"
TICKS_PER_SECOND = 50
EDITS_PER_SECOND = 4
FEED_DEADLINE = 30.0


@dataclass(frozen=True)
class Desk:
    """A running product. ``env`` is what another of its processes would need."""

    port: int
    exchange: int  # the simulator's port
    web: Child
    pairs: list[str]
    session: str
    env: dict[str, str]


@contextmanager
def desk(database: str) -> Iterator[Desk]:
    """Everything but worker and beat, with quotes flowing. Raises ``CannotRun``."""
    with ExitStack() as stack:
        url = stack.enter_context(valkey())
        exchange, port = free_port(), free_port()
        env = {
            **environment(port=port, valkey=url, database=database),
            "KRAKEN_WS_URL": f"ws://127.0.0.1:{exchange}/v2",
            "KRAKEN_REST_URL": f"http://127.0.0.1:{exchange}",
            "THROTTLE_ANON": "100000000/min",
            "THROTTLE_USER": "100000000/min",
        }
        simulator = stack.enter_context(
            _child("simulator", "demo.simulators", "--port", str(exchange), *_walk(), env=env)
        )
        wait_for_port(simulator, exchange)
        seeded = json.loads(python(database, "-m", "benchmarks.seed", valkey=url).splitlines()[-1])
        feed = [sys.executable, "manage.py", "stream_rates"]
        stack.enter_context(Child(feed, core=CLIENT_CORE, env=env, name="feed"))
        _wait_for_quotes(url, len(seeded["pairs"]))
        web = stack.enter_context(
            Child([sys.executable, "-m", "config.serve"], core=SERVER_CORE, env=env, name="web")
        )
        wait_for_port(web, port)
        yield Desk(port, exchange, web, seeded["pairs"], seeded["session"], env)


def _walk() -> tuple[str, ...]:
    return "--rate", str(TICKS_PER_SECOND), "--seed", "7"


def _child(name: str, module: str, *arguments: str, env: dict[str, str]) -> Child:
    command = [sys.executable, "-m", module, *arguments]
    return Child(command, core=CLIENT_CORE, env=env, name=name)


def _wait_for_quotes(url: str, count: int) -> None:
    deadline = time.monotonic() + FEED_DEADLINE
    with redis.Redis.from_url(url) as client:
        while int(client.hlen(key_quotes())) < count:
            if time.monotonic() > deadline:
                raise CannotRun("The feed published no quotes; see .quayside/bench/logs/feed.log.")
            time.sleep(0.1)


@contextmanager
def quiet(running: Desk) -> Iterator[None]:
    """Meanwhile no pair moves, though the exchange is heard."""
    control = f"http://127.0.0.1:{running.exchange}/control"
    httpx.post(control, json={"mode": "silent"}, trust_env=False).raise_for_status()
    time.sleep(1)
    yield
    httpx.post(control, json={"mode": "normal"}, trust_env=False).raise_for_status()


@dataclass
class PathRow:
    """Exchange to client, and PUT sent to client, in milliseconds."""

    clients: int
    connected: int = 0
    ticks: dict[str, float] = field(default_factory=dict)
    edits: dict[str, float] = field(default_factory=dict)
    answers: dict[str, float] = field(default_factory=dict)
    edits_made: int = 0
    edits_seen: int = 0  # clients times edits, at most
    server_cpu: float = 0.0
    client_cpu: float = 0.0
    others_cpu: float = 0.0

    @property
    def doubts(self) -> list[str]:
        busy = ["client busy"] if self.client_cpu > 0.8 else []
        return busy + (["core shared"] if self.others_cpu > 0.1 else [])


def measure(running: Desk, clients: int, *, seconds: float, edits: int) -> PathRow:
    """Ticks for ``seconds``, then ``edits`` edits of one pair that every client follows."""
    row = PathRow(clients)
    keys = [EDITED, *(code for code in running.pairs if code != EDITED)]
    crowd = Crowd(clients, real=True)
    ours = quayside()
    with LoadClient(
        crowd, port=running.port, protocol=ours.protocol, path=ours.path, keys=keys
    ) as load:
        row.connected = load.wait_until_connected()["connected"]
        time.sleep(1)
        _watch_ticks(row, running, load, seconds)
        _watch_edits(row, running, load, edits)
    return row


def _watch_ticks(row: PathRow, running: Desk, load: LoadClient, seconds: float) -> None:
    start = time.time_ns()
    load.count_between(start, start + int(seconds * 1e9))
    core, cpu = Core(SERVER_CORE), running.web.cpu_seconds()
    busy = core.busy()
    time.sleep(seconds)
    row.server_cpu = (running.web.cpu_seconds() - cpu) / seconds
    row.others_cpu = max((core.busy() - busy) / seconds - row.server_cpu, 0)
    time.sleep(0.5)
    report = load.ask("report")
    row.ticks, row.client_cpu = report["ticks"], report["cpu_s"] / seconds


def _watch_edits(row: PathRow, running: Desk, load: LoadClient, edits: int) -> None:
    start = time.time_ns()
    load.count_between(start, start + int((edits / EDITS_PER_SECOND + 5) * 1e9))
    sent, took = _edit(running, edits)
    time.sleep(1)
    sights = load.ask("report")["sights"]
    waits = [(at - sent[version]) / 1e6 for version, at in sights if version in sent]
    row.edits, row.answers = percentiles(waits), percentiles(took)
    row.edits_made, row.edits_seen = len(sent), len(waits)


def _edit(running: Desk, count: int) -> tuple[dict[int, int], list[float]]:
    """PUT ``count`` versions. Returns when each was sent, by version, and what answers took, ms."""
    token = secrets.token_hex(16)
    sent, took = {}, []
    with httpx.Client(
        base_url=f"http://127.0.0.1:{running.port}",
        cookies={"sessionid": running.session, "csrftoken": token},
        headers={"X-CSRFToken": token},
        trust_env=False,
    ) as client:
        for number in range(count + 1):
            body = {"unit": "bps", "buy": f"{40 + number % 7}", "sell": "-40", "reason": "measured"}
            at = time.time_ns()
            version = _version(client.put(f"/api/v1/rates/{EDITED}/spread", json=body))
            # The first edit opens connections and caches; a desk in use has them open.
            if number:
                sent[version] = at
                took.append((time.time_ns() - at) / 1e6)
            time.sleep(1 / EDITS_PER_SECOND)
    return sent, took


def _version(answer: httpx.Response) -> int:
    if answer.status_code != 200:
        raise CannotRun(f"The spread was refused: {answer.status_code} {answer.text[:300]}")
    body: dict[str, Any] = answer.json()
    return int(body["version"])


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 and max; -1 where there is nothing."""
    if len(values) < 2:
        only = values[0] if values else -1.0
        return dict.fromkeys(("p50", "p95", "p99", "max"), only)
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(values)}
