"""200 top coins by the fast lane, through Django and as 304; and the CPU that a refresh costs.

``python -m benchmarks.coins`` refreshes 500 rows again and again with the servers of its
environment, and prints milliseconds of CPU as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx

from benchmarks import api
from benchmarks.desk import Desk
from benchmarks.report import table
from benchmarks.targets import Verdict, judge

PATH = "/api/v1/coins?limit=200"
# Spelled so that the fast lane leaves it to Django.
BY_DJANGO = "/api/v1/coins?limit=0200"
REFRESHES = 8


@dataclass
class CoinsRow:
    """One door and what it gives: times in ms."""

    door: str
    requests_per_s: float
    p50: float
    p99: float
    body_bytes: int
    errors: int


@dataclass
class RefreshRow:
    """Milliseconds of CPU for a refresh of 500 rows from three sources."""

    refresh_cpu: float


def measure(running: Desk, *, seconds: float, runs: int) -> tuple[list[CoinsRow], RefreshRow]:
    """Each door ``runs`` times, medians; its coins come from the desk's simulator."""
    refresh = _refreshed(running)
    tag = httpx.get(f"http://127.0.0.1:{running.port}{PATH}", trust_env=False).headers["etag"]
    doors: dict[str, tuple[str, list[str]]] = {
        "fast lane": (PATH, []),
        "fast lane, 304": (PATH, [f"If-None-Match: {tag}"]),
        "Django": (BY_DJANGO, []),
    }
    seen: dict[str, list[dict[str, Any]]] = {door: [] for door in doors}
    for _ in range(runs):
        for door, (path, headers) in doors.items():
            seen[door].append(api.load(running.port, path, headers=headers, seconds=seconds))
    return [_row(door, results) for door, results in seen.items()], refresh


def show(rows: list[CoinsRow], refresh: RefreshRow) -> None:
    lines = [
        [
            row.door,
            f"{row.requests_per_s:,.0f}",
            f"{row.p50:.2f}",
            f"{row.p99:.2f}",
            f"{row.body_bytes:,}",
            str(row.errors),
        ]
        for row in rows
    ]
    table("200 top coins", ["door", "requests/s", "p50 ms", "p99 ms", "bytes", "errors"], lines)
    print(f"  a refresh of 500 rows: {refresh.refresh_cpu:.0f} ms of CPU")


def verdicts(rows: list[CoinsRow], refresh: RefreshRow) -> list[Verdict]:
    fast = rows[0]
    whole = fast.errors == 0
    return [
        judge(
            "200 coins: 25,000 requests/s",
            f"{fast.requests_per_s:,.0f}",
            whole and fast.requests_per_s >= 25_000,
        ),
        judge("200 coins: p99 under 15 ms", f"{fast.p99:.1f} ms", whole and fast.p99 < 15),
        judge(
            "refresh of 500 coins under 300 ms of CPU",
            f"{refresh.refresh_cpu:.0f} ms",
            refresh.refresh_cpu < 300,
        ),
    ]


def _refreshed(running: Desk) -> RefreshRow:
    upstream = f"http://127.0.0.1:{running.exchange}"
    names = ("coinmarketcap", "cryptocompare", "coingecko")
    env = os.environ | running.env
    env |= {f"{name.upper()}_URL": f"{upstream}/{name}" for name in names}
    env |= {f"{name.upper()}_API_KEY": "simulated" for name in names}
    command = [sys.executable, "-m", "benchmarks.coins"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return RefreshRow(**json.loads(done.stdout.splitlines()[-1]))


def _row(door: str, results: list[dict[str, Any]]) -> CoinsRow:
    middle = {name: median(result[name] for result in results) for name in results[0]}
    kinds = ("client_errors", "server_errors", "broken")
    return CoinsRow(
        door=door,
        requests_per_s=middle["requests_per_s"],
        p50=middle["p50"],
        p99=middle["p99"],
        body_bytes=int(middle["body_bytes"]),
        errors=sum(result[name] for result in results for name in kinds),
    )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from datetime import timedelta

    from django.conf import settings
    from django.utils import timezone

    from rates.coins.services import refresh
    from rates.models import CoinSource

    CoinSource.objects.update(monthly_credits=None)
    upstream = settings.COIN_SOURCE_URLS["coingecko"].removesuffix("/coingecko")
    now, spent = timezone.now() - timedelta(minutes=REFRESHES), []
    for turn in range(REFRESHES):
        moment = now + timedelta(minutes=turn + 1)
        # Prices move every 20 s of the simulator's clock; a turn without a change costs little.
        httpx.post(f"{upstream}/control/coins", json={"clock": turn * 60}, trust_env=False)
        began = time.process_time()
        for purpose in ("price", "rank"):
            refresh.refresh(purpose, clock=lambda moment=moment: moment)  # type: ignore[misc]
        spent.append((time.process_time() - began) * 1000)
    httpx.post(f"{upstream}/control/coins", json={"clock": None}, trust_env=False)
    # The first one imports and connects.
    print(json.dumps({"refresh_cpu": median(spent[1:])}))


if __name__ == "__main__":
    main()
