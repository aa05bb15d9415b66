"""One row of the push table: a fresh server and Valkey, a crowd, a publisher, a window."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

from benchmarks.children import CLIENT_CORE, SERVER_CORE, Child, Core, free_port
from benchmarks.contenders import Contender, valkey
from benchmarks.load import Crowd, LoadClient
from benchmarks.payload import pair_codes
from benchmarks.publisher import Plan

WARM_UP = 1.5
# Published with the window's end, so that the last values have time to arrive before they are read.
SETTLE = 0.5


@dataclass(frozen=True)
class Scenario:
    """What a row measures, for whichever contender."""

    title: str
    crowd: Crowd
    seconds: float = 3.0
    ticks_per_second: float = 50
    edits_per_second: float = 2
    pause_slow: bool = False


@dataclass
class Row:
    """What one run of one contender showed. Times in milliseconds, shares of one core."""

    contender: str
    title: str
    clients: int
    connected: int = 0
    died: int = 0
    connect_s: float = 0.0
    offered: int = 0
    delivered: int = 0
    missing: int = 0  # newest values that had not arrived when the catching up ended
    frames_per_s: float = 0.0
    values_per_s: float = 0.0
    ticks: dict[str, float] = field(default_factory=dict)
    edits: dict[str, float] = field(default_factory=dict)
    server_cpu: float = 0.0
    client_cpu: float = 0.0
    others_cpu: float = 0.0  # of the server's core
    kb_per_connection: float = 0.0
    mb_grown: float = 0.0  # by the server during the window
    published_per_s: float = 0.0
    runs: int = 1

    @property
    def doubts(self) -> list[str]:
        """Why this row proves nothing, or proves less (push.md section 9)."""
        found = []
        if self.client_cpu > 0.8:
            found.append("client busy")
        if self.others_cpu > 0.1:
            found.append("core shared")
        return found


def run(contender: Contender, scenario: Scenario, *, database: str) -> Row:
    """Measure ``contender`` once. Raises ``CannotRun`` when it, or a tool, cannot start."""
    row = Row(contender.name, scenario.title, scenario.crowd.clients)
    with ExitStack() as stack:
        url = stack.enter_context(valkey())
        port = free_port()
        publisher = stack.enter_context(_publisher(contender, scenario, url))
        server = stack.enter_context(contender.start(port=port, valkey=url, database=database))
        empty = server.memory()
        crowd = stack.enter_context(
            LoadClient(
                scenario.crowd,
                port=port,
                protocol=contender.protocol,
                path=contender.path,
                keys=pair_codes(),
            )
        )
        ready = crowd.wait_until_connected()
        row.connected, row.connect_s = ready["connected"], ready["connect_s"]
        time.sleep(WARM_UP)
        if row.connected:
            row.kb_per_connection = (server.memory() - empty) / row.connected / 1024
        if scenario.pause_slow:
            crowd.ask("pause")
        start, end = _watch(row, server, crowd, scenario.seconds)
        published = json.loads(publisher.end_input())
        row.missing = crowd.missing(_newest(published, start))
        _read(row, crowd.ask("report"), published, start, end)
    return row


@contextmanager
def _publisher(contender: Contender, scenario: Scenario, url: str) -> Iterator[Child]:
    plan = Plan(
        url=url,
        form=contender.form,
        ticks_per_second=scenario.ticks_per_second,
        edits_per_second=scenario.edits_per_second,
    )
    command = [sys.executable, "-m", "benchmarks.publisher", json.dumps(asdict(plan))]
    with Child(command, core=CLIENT_CORE, name="publisher", talks=True) as child:
        child.read_line()
        yield child


def _watch(row: Row, server: Child, crowd: LoadClient, seconds: float) -> tuple[int, int]:
    """Let the window pass; note what the cores did meanwhile. Returns its bounds in ns."""
    start = time.time_ns() + 100_000_000
    end = start + int(seconds * 1e9)
    crowd.count_between(start, end)
    time.sleep(max(start - time.time_ns(), 0) / 1e9)
    core, memory = Core(SERVER_CORE), server.memory()
    began, cpu, busy = time.monotonic(), server.cpu_seconds(), core.busy()
    time.sleep(max(end - time.time_ns(), 0) / 1e9)
    passed = time.monotonic() - began
    row.server_cpu = (server.cpu_seconds() - cpu) / passed
    row.others_cpu = max((core.busy() - busy) / passed - row.server_cpu, 0)
    row.mb_grown = (server.memory() - memory) / 2**20
    time.sleep(SETTLE)
    return start, end


def _read(
    row: Row, report: dict[str, Any], published: dict[str, Any], start: int, end: int
) -> None:
    seconds = (end - start) / 1e9
    inside = [item for item in published["messages"] if start <= item[0] < end]
    row.published_per_s = len(inside) / seconds
    row.offered = sum(report["subscribers"][index] for _, index, _ in inside)
    row.died = report["died"]
    row.delivered = report["values"]
    row.frames_per_s = report["frames"] / seconds
    row.values_per_s = report["values"] / seconds
    row.ticks, row.edits = report["ticks"], report["edits"]
    row.client_cpu = report["cpu_s"] / seconds


def _newest(published: dict[str, Any], since: int) -> dict[int, int]:
    """The last seq of every pair that changed since; Socket.IO sends no snapshot of the others."""
    return {index: seq for at, index, seq in published["messages"] if at >= since}


def median_of(rows: list[Row]) -> Row:
    """One row of the medians of ``rows``; deaths and losses are added, never hidden."""
    first = rows[0]
    middle = {
        name: median(getattr(row, name) for row in rows)
        for name, value in asdict(first).items()
        if isinstance(value, (int, float))
    }
    combined = replace(first, **{**middle, "runs": len(rows)})
    combined.ticks = _median_times([row.ticks for row in rows])
    combined.edits = _median_times([row.edits for row in rows])
    combined.died = sum(row.died for row in rows)
    combined.missing = sum(row.missing for row in rows)
    return combined


def _median_times(times: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(each[name] for each in times) for name in times[0]}
