"""Prints tables of plain text and keeps the same figures in ``.quayside/bench/latest.json``."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.api import HttpRow
from benchmarks.children import WORK, can_pin
from benchmarks.contenders import SOCKETIO
from benchmarks.desk import PathRow
from benchmarks.page import PageRow
from benchmarks.push import Row
from benchmarks.targets import Verdict
from benchmarks.wallet import WalletRow

LATEST = WORK / "latest.json"


@dataclass
class Report:
    """Everything a run found. ``notes`` say what was not run and why."""

    options: dict[str, Any]
    sections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self) -> None:
        LATEST.parent.mkdir(parents=True, exist_ok=True)
        facts = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": machine(),
            **asdict(self),
        }
        LATEST.write_text(json.dumps(facts, indent=1) + "\n")


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "pinned": can_pin(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def table(title: str, heads: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as their widest cell; the first is text, the others are figures."""
    cells = [list(heads), *(list(line) for line in lines)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    print(f"\n{title}")
    for number, line in enumerate(cells):
        first = line[0].ljust(widths[0])
        print("  ".join([first, *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]))
        if number == 0:
            print("  ".join("-" * width for width in widths))


PUSH_HEADS = (
    "contender",
    "clients",
    "delivered",
    "tick p50",
    "p95",
    "p99 ms",
    "x",
    "edit p50",
    "p95",
    "p99 ms",
    "x",
    "CPU",
    "KB/conn",
    "MB grown",
    "values/s",
    "connect s",
    "died",
    "missing",
    "",
)


def push_table(title: str, rows: list[Row]) -> None:
    """``x`` is a p99 divided by that of Socket.IO in the same run: below 1 is ahead of it."""
    peers = {(row.title, row.clients): row for row in rows if row.contender == SOCKETIO.name}
    lines = [_push_line(row, peers.get((row.title, row.clients))) for row in rows]
    table(title, PUSH_HEADS, lines)


def _push_line(row: Row, peer: Row | None) -> list[str]:
    return [
        row.contender,
        f"{row.connected:.0f}/{row.clients:.0f}",
        f"{row.delivered / row.offered:.1%}" if row.offered else "-",
        *_times(row.ticks, peer.ticks if peer else None),
        *_times(row.edits, peer.edits if peer else None),
        f"{row.server_cpu:.0%}",
        f"{row.kb_per_connection:.0f}",
        f"{row.mb_grown:.1f}",
        f"{row.values_per_s:,.0f}",
        f"{row.connect_s:.2f}",
        str(row.died),
        str(row.missing),
        ", ".join(row.doubts),
    ]


def _times(mine: dict[str, float], other: dict[str, float] | None) -> list[str]:
    ratio = mine["p99"] / other["p99"] if other and other["p99"] > 0 else None
    return [
        *(f"{mine[name]:.2f}" for name in ("p50", "p95", "p99")),
        "-" if ratio is None else f"{ratio:.2f}",
    ]


def path_table(rows: list[PathRow]) -> None:
    heads = ("clients", "tick p50", "p95", "p99 ms", "edit p50", "p95", "p99 ms", "answer p50")
    lines = [
        [
            f"{row.connected}/{row.clients}",
            *(f"{row.ticks[name]:.1f}" for name in ("p50", "p95", "p99")),
            *(f"{row.edits[name]:.1f}" for name in ("p50", "p95", "p99")),
            f"{row.answers['p50']:.1f}",
            f"{row.edits_seen}/{row.edits_made * row.clients}",
            f"{row.server_cpu:.0%}",
            ", ".join(row.doubts),
        ]
        for row in rows
    ]
    title = "Exchange to client (its clock has 1 ms steps), and PUT sent to client"
    table(title, (*heads, "edits seen", "CPU", ""), lines)


def http_table(rows: list[HttpRow]) -> None:
    slowest = min((row.requests_per_s for row in rows), default=1)
    heads = (
        "GET /api/v1/rates",
        "requests/s",
        "x",
        "p50",
        "p95",
        "p99 ms",
        "bytes",
        "304s",
        "errors",
        "",
    )
    lines = [
        [
            row.door,
            f"{row.requests_per_s:,.0f}",
            f"{row.requests_per_s / slowest:.1f}" if slowest else "-",
            *(f"{value:.2f}" for value in (row.p50, row.p95, row.p99)),
            f"{row.body_bytes:,}",
            f"{row.not_modified:,}",
            str(row.errors),
            "client busy" if row.client_cpu > 0.8 else "",
        ]
        for row in rows
    ]
    table("HTTP, 32 connections", heads, lines)


def page_table(row: PageRow) -> None:
    heads = ("page", "KB", "document", "requests", "first byte", "paint", "interactive ms", "CLS")
    line = [
        row.path,
        f"{row.bytes / 1000:.1f}",
        f"{row.document_bytes / 1000:.1f}",
        str(row.requests),
        *(f"{value:.0f}" for value in (row.first_byte, row.first_paint, row.interactive)),
        f"{row.layout_shift:.4f}",
    ]
    table("A cold visit in Chromium", heads, [line])


def wallet_table(row: WalletRow) -> None:
    lines = [
        ["parse and recover", f"{row.proof_p50:.2f}", f"{row.proof_p95:.2f}"],
        ["sign-in", f"{row.sign_in_p50:.1f}", f"{row.sign_in_p95:.1f}"],
        ["first sign-in", f"{row.first_p50:.1f}", f"{row.first_p95:.1f}"],
        ["message of 1 MB refused, CPU", f"{row.refusal_cpu:.2f}", "-"],
    ]
    table("Sign-in with a wallet, in process", ("", "p50", "p95 ms"), lines)


def verdict_table(verdicts: list[Verdict]) -> None:
    lines = [(v.target, v.seen, v.result, v.doubts) for v in verdicts]
    table("Targets of DESIGN section 7", ("target", "seen", "result", "doubts"), lines)
