"""What DESIGN section 7 asks of the rates, judged only by what this run measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.contenders import SOCKETIO, quayside
from benchmarks.desk import PathRow
from benchmarks.page import PageRow
from benchmarks.push import Row
from benchmarks.wallet import WalletRow

MET, MISSED, NOT_RUN = "met", "MISSED", "not run"


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
    connected = f"all of {clients} connected to one process, nothing missing"
    if ours is None:
        return [not_run(connected)]
    whole = ours.connected == clients and not ours.died and not ours.missing
    seen = f"{ours.connected} connected, {ours.died} died, {ours.missing} values missing"
    return [
        judge(connected, seen, whole, ours.doubts),
        _edits(ours, clients, limit=150, title="spread edit p99 under 150 ms"),
    ]


def path_verdicts(rows: list[PathRow]) -> list[Verdict]:
    """The edit's whole way, from the PUT being sent to the price arriving."""
    found = []
    for clients in (1, 100, 1000):
        title = f"PUT to every client p99 under 50 ms, {clients} clients"
        row = next((row for row in rows if row.clients == clients), None)
        if row is None:
            found.append(not_run(title))
            continue
        whole = row.edits_seen == row.edits_made * clients
        seen = f"{row.edits['p99']:.1f} ms, {row.edits_seen} of {row.edits_made * clients} seen"
        found.append(judge(title, seen, whole and 0 <= row.edits["p99"] < 50, row.doubts))
    return found


def page_verdicts(row: PageRow | None, list_bytes: int) -> list[Verdict]:
    titles = (
        "list data under 7.5 KB compressed",
        "first load under 100 KB compressed",
        "interactive under 0.3 s",
    )
    if row is None:
        return [not_run(title) for title in titles]
    return [
        judge(titles[0], f"{list_bytes / 1000:.1f} KB", 0 < list_bytes < 7500),
        judge(titles[1], f"{row.bytes / 1000:.1f} KB", row.bytes < 100_000),
        judge(titles[2], f"{row.interactive:.0f} ms", row.interactive < 300),
    ]


def wallet_verdicts(row: WalletRow) -> list[Verdict]:
    proof, whole, refusal = row.proof_p95, row.sign_in_p95, row.refusal_cpu
    return [
        judge("wallet proof p95 under 0.5 ms", f"{proof:.2f} ms", proof < 0.5),
        judge("wallet sign-in p95 under 15 ms", f"{whole:.1f} ms", whole < 15),
        judge("1 MB refused in under 1 ms of CPU", f"{refusal:.2f} ms", refusal < 1),
    ]


def _row(rows: list[Row], contender: str, clients: int) -> Row | None:
    return next((r for r in rows if r.contender == contender and r.clients == clients), None)


def _no_slower(ours: Row | None, theirs: Row | None, clients: int) -> Verdict:
    title = f"tick p50 no slower than Socket.IO, {clients} clients"
    if ours is None or theirs is None:
        return not_run(title)
    mine, other = ours.ticks["p50"], theirs.ticks["p50"]
    return _compare(title, mine, other, mine <= other, ours, theirs)


def _ahead(ours: Row | None, theirs: Row | None, clients: int) -> Verdict:
    title = f"tick p99 ahead of Socket.IO, {clients} clients"
    if ours is None or theirs is None:
        return not_run(title)
    mine, other = ours.ticks["p99"], theirs.ticks["p99"]
    return _compare(title, mine, other, mine < other, ours, theirs)


def _compare(title: str, mine: float, other: float, holds: bool, ours: Row, theirs: Row) -> Verdict:
    """A time of ours counts only when every client was there to have one."""
    here = ours.connected == ours.clients and not ours.died
    seen = f"{mine:.2f} against {other:.2f} ms" if here else f"{ours.connected} connected"
    return judge(title, seen, holds and here, _doubts(ours, theirs))


def _edits(ours: Row | None, clients: int, *, limit: float, title: str) -> Verdict:
    title = f"{title}, {clients} clients"
    if ours is None:
        return not_run(title)
    seen = ours.edits["p99"]
    return judge(title, f"{seen:.1f} ms", 0 <= seen < limit, ours.doubts)


def _doubts(*rows: Row) -> list[str]:
    return sorted({f"{row.contender}: {doubt}" for row in rows for doubt in row.doubts})
