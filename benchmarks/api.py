"""``GET /api/v1/rates`` by the fast lane, through Django, and as 304."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx

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
from benchmarks.desk import Desk, quiet

PATH = "/api/v1/rates"
CONNECTIONS = 32


@dataclass
class HttpRow:
    """One door and what it gives: times in ms, answers per run."""

    door: str
    requests_per_s: float
    p50: float
    p95: float
    p99: float
    body_bytes: int
    not_modified: int  # answers with 304
    errors: int
    client_cpu: float


def measure(running: Desk, *, seconds: float, runs: int) -> list[HttpRow]:
    """Every door in turn, ``runs`` times; medians. Raises ``CannotRun`` when one is shut."""
    with _django_only(running) as django_port:
        doors: dict[str, tuple[int, list[str]]] = {
            "fast lane": (running.port, []),
            "fast lane, gzip": (running.port, ["Accept-Encoding: gzip"]),
            "Django": (django_port, []),
        }
        seen: dict[str, list[dict[str, Any]]] = {door: [] for door in doors}
        for _ in range(runs):
            for door, (port, headers) in doors.items():
                seen[door].append(load(port, PATH, headers=headers, seconds=seconds))
    # An entity tag holds until the next tick, so nobody may tick here.
    with quiet(running):
        same = [f"If-None-Match: {_etag(running.port)}"]
        seen["fast lane, 304"] = [
            load(running.port, PATH, headers=same, seconds=seconds) for _ in range(runs)
        ]
    return [_row(door, results) for door, results in seen.items()]


def load(port: int, path: str, *, headers: list[str], seconds: float) -> dict[str, Any]:
    """One run of the C load generator."""
    words = [word for header in headers for word in ("--header", header)]
    command = [str(build.load_client("httpload")), "--port", str(port), "--path", path]
    command += ["--connections", str(CONNECTIONS), "--seconds", str(seconds), *words]
    done = subprocess.run(pinned(command, CLIENT_CORE), capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@contextmanager
def _django_only(running: Desk) -> Iterator[int]:
    """The same application without its fast lane, beside the other one, on a port of its own."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "config.asgi:django_application"]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--log-level", "warning", "--lifespan", "off"]
    with Child(command, core=SERVER_CORE, env=running.env, name="django") as child:
        wait_for_port(child, port)
        yield port


def _etag(port: int) -> str:
    answer = httpx.get(f"http://127.0.0.1:{port}{PATH}", trust_env=False)
    if answer.status_code != 200 or "etag" not in answer.headers:
        raise CannotRun(f"{PATH} answers {answer.status_code} without an ETag.")
    return answer.headers["etag"]


def _row(door: str, results: list[dict[str, Any]]) -> HttpRow:
    middle = {name: median(result[name] for result in results) for name in results[0]}
    errors = sum(
        result[name] for result in results for name in ("client_errors", "server_errors", "broken")
    )
    return HttpRow(
        door=door,
        errors=errors,
        not_modified=int(middle["not_modified"]),
        body_bytes=int(middle["body_bytes"]),
        **{name: middle[name] for name in ("requests_per_s", "p50", "p95", "p99", "client_cpu")},
    )
