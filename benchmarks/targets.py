"""What DESIGN section 7 asks of the rates, judged only by what this run measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from benchmarks.contenders import SOCKETIO, quayside
from benchmarks.push import Row

MET: Literal["met"] = "met"
MISSED: Literal["missed"] = "MISSED"
NOT_RUN: Literal["not run"] = "not run"


@dataclass(frozen=True)
class Verdict:
    """One target, what was seen, and whether that is enough."""

    target: str
    seen: str
    result: str
    doubts: str = ""


def judge(title: str, seen: str, holds: bool, doubts: Iterable[str] = ()) -> Verdict:
    return Verdict(title, seen, MET if holds else MISSED, ", ".join(doubts))


def not_run(title: str) -> Verdict:
    return Verdict(title, "", NOT_RUN)


def push_verdicts(rows: list[Row]) -> list[Verdict]:
    """Ticks against Socket.IO and edits against 50 ms, at 1,000 and 5,000 clients."""
    found = []
    for clients in (1000, 5000):
        ours = _row(rows, quayside().name, clients)
        theirs = _row(rows, SOCKETIO.name, clients)
        found += [_no_slower(ours, theirs, clients), _ahead(ours, theirs, clients)]
        found.append(_edits(ours, clients, limit=50, title="spread edit p99 under 50 ms"))
    return found


def capacity_verdicts(rows: list[Row], clients: int = 10_000) -> list[Verdict]:
    ours = next((row for row in rows if row.contender.startswith(quayside().name)), None)
    connected = f"all of {clients} connected to one process, nothing lost"
    if ours is None:
        return [not_run(connected)]
    whole = ours.connected == clients and not ours.died and not ours.lost
    seen = f"{ours.connected} connected, {ours.died} died, {ours.lost} values lost"
    return [
        judge(connected, seen, whole, ours.doubts),
        _edits(ours, clients, limit=150, title="spread edit p99 under 150 ms"),
    ]


def _row(rows: list[Row], contender: str, clients: int) -> Row | None:
    return next((r for r in rows if r.contender == contender and r.clients == clients), None)


def _no_slower(ours: Row | None, theirs: Row | None, clients: int) -> Verdict:
    title = f"tick p50 no slower than Socket.IO, {clients} clients"
    if ours is None or theirs is None:
        return not_run(title)
    mine, other = ours.ticks["p50"], theirs.ticks["p50"]
    return judge(title, f"{mine:.1f} against {other:.1f} ms", mine <= other, _doubts(ours, theirs))


def _ahead(ours: Row | None, theirs: Row | None, clients: int) -> Verdict:
    title = f"tick p99 ahead of Socket.IO, {clients} clients"
    if ours is None or theirs is None:
        return not_run(title)
    mine, other = ours.ticks["p99"], theirs.ticks["p99"]
    return judge(title, f"{mine:.1f} against {other:.1f} ms", mine < other, _doubts(ours, theirs))


def _edits(ours: Row | None, clients: int, *, limit: float, title: str) -> Verdict:
    title = f"{title}, {clients} clients"
    if ours is None:
        return not_run(title)
    seen = ours.edits["p99"]
    return judge(title, f"{seen:.1f} ms", 0 <= seen < limit, ours.doubts)


def _doubts(*rows: Row) -> list[str]:
    return sorted({f"{row.contender}: {doubt}" for row in rows for doubt in row.doubts})
