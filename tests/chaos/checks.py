"""Counting again, after everything: tables, node, listeners, memory and connections."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import httpx
import psutil
import psycopg
import redis

from config.task_metrics import SUCCEEDED_AT
from demo.desk import Desk
from foundation import tallies
from tests.chaos.load import PAIRS, Ledger

# A process may grow by its caches; what grows without end is found by a longer run.
GROWTH: Final = 1.5
SLACK: Final = 60 * 1024 * 1024
# Connections that a pool may have opened meanwhile.
POOLED: Final = 25
# A minute is stored within seconds of its end.
NEWEST_MINUTE: Final = timedelta(minutes=2, seconds=30)
BALANCE_OF: Final = "0x70a08231"


def events(desk: Desk, ledger: Ledger) -> Iterator[str]:
    """No acknowledged event is lost and none is counted twice."""
    with psycopg.connect(desk.state()["database"]) as database:
        rows = database.execute(
            "SELECT domain, delivered, bounced FROM orgs_mail_domain WHERE domain LIKE %s",
            [f"%.{ledger.run}.example"],
        ).fetchall()
        stored = database.execute("SELECT count(*) FROM orgs_event WHERE name = 'chaos'").fetchone()
    counted: Counter[tuple[str, str]] = Counter()
    for domain, delivered, bounced in rows:
        counted[domain, "delivered"], counted[domain, "bounced"] = delivered, bounced
    for name in sorted({*ledger.mail, *counted}):
        if counted[name] != ledger.mail[name]:
            yield f"{name[0]} {name[1]}: {counted[name]} counted, {ledger.mail[name]} acknowledged"
    if stored != (ledger.actions,):
        yield f"actions: {stored} stored, {ledger.actions} acknowledged"
    today = desk.run("manage.py", "shell", "--no-imports", "-c", RECOUNT)
    if today.returncode or today.stdout.strip().splitlines()[-1:] != ["[]"]:
        yield f"roll-ups differ from the raw events: {today.stdout[-300:]}{today.stderr[-300:]}"


RECOUNT: Final = """
from datetime import UTC, datetime, timedelta
from orgs.services import recount
now = datetime.now(tz=UTC)
print([*recount.differences(now.date()), *recount.differences((now - timedelta(days=1)).date())])
"""


def spreads(desk: Desk, ledger: Ledger) -> Iterator[str]:
    """What was committed last is what every listener holds, and what is quoted."""
    with psycopg.connect(desk.state()["database"]) as database:
        rows = database.execute(
            "SELECT p.code, max(r.version) FROM rates_spreadrule r JOIN rates_pair p"
            " ON p.id = r.pair_id WHERE p.code = ANY(%s) GROUP BY 1",
            [list(PAIRS)],
        ).fetchall()
    stored: dict[str, int] = dict(rows)
    quoted = httpx.get(f"{desk.state()['web']}/api/v1/rates", trust_env=False).json()["meta"]
    for pair in PAIRS:
        committed = ledger.versions[pair]
        heard = {version.get(pair) for version in ledger.heard}
        told = {stored.get(pair), quoted[pair]["spread_version"], *heard}
        if told != {committed}:
            yield f"{pair}: version {committed} was acknowledged, and {told} are told"


def balances(desk: Desk) -> Iterator[str]:
    """Every stored balance of the local chain is the node's at the follower's block."""
    with psycopg.connect(desk.state()["database"]) as database:
        head = database.execute(
            "SELECT head_number, head_hash FROM balances_chain WHERE id = 31337"
        ).fetchone()
        rows = database.execute(
            "SELECT a.raw, t.contract, b.value FROM balances_balance b"
            " JOIN balances_address a ON a.id = b.address_id"
            " JOIN balances_token t ON t.id = b.token_id"
            " WHERE t.chain_id = 31337 AND b.value IS NOT NULL"
        ).fetchall()
    assert head is not None
    if not rows:
        yield "no balance is stored"
    at = {"blockHash": "0x" + bytes(head[1]).hex(), "requireCanonical": True}
    for raw, contract, value in rows:
        address = "0x" + bytes(raw).hex()
        if bytes(contract or b""):
            data = BALANCE_OF + bytes(raw).hex().rjust(64, "0")
            told = rpc(desk, "eth_call", {"to": "0x" + bytes(contract).hex(), "data": data}, at)
        else:
            told = rpc(desk, "eth_getBalance", address, at)
        if int(told, 16) != int(value):
            yield f"{address} {bytes(contract or b'').hex()}: {value} stored, {int(told, 16)}"


def candles(desk: Desk) -> Iterator[str]:
    """A candle names the ticks that it holds: no tick stands in two, none is made up, and none is
    missing between two that are there. Every pair has its newest minute."""
    with psycopg.connect(desk.state()["database"]) as database:
        rows = database.execute("SELECT pair_id, ticks, parts FROM rates_candle1m").fetchall()
        behind = database.execute(
            "SELECT p.code, now() - max(c.bucket) FROM rates_pair p"
            " LEFT JOIN rates_candle1m c ON c.pair_id = p.id AND c.bucket <= now()"
            " WHERE p.code = ANY(%s) GROUP BY 1"
            " HAVING max(c.bucket) IS NULL OR max(c.bucket) < now() - %s",
            [list(PAIRS), NEWEST_MINUTE],
        ).fetchall()
    for code, age in behind:
        yield f"{code}: the newest candle began {age} ago"
    for pair, ticks, parts in rows:
        if parts and ticks != sum(count for *_, count in parts):
            yield f"pair {pair}: a candle of {ticks} ticks holds {parts}"
    yield from _overlapping(rows)
    yield from _missing(rows)


def _overlapping(rows: list[Any]) -> Iterator[str]:
    held: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for pair, _, parts in rows:
        for epoch, first, last, _ in parts:
            held.setdefault((pair, epoch), []).append((first, last))
    if not held:
        yield "no candle was made"
    for (pair, epoch), spans in held.items():
        spans.sort()
        for before, after in itertools.pairwise(spans):
            if before[1] >= after[0]:
                yield f"pair {pair}, epoch {epoch}: {before} and {after} overlap"


def _missing(rows: list[Any]) -> Iterator[str]:
    """One feed numbers the ticks of all pairs together for as long as it leads."""
    numbered: dict[int, list[tuple[int, int, int]]] = {}
    for _, _, parts in rows:
        for epoch, first, last, count in parts:
            # No feed has numbered the history that the demo begins with.
            if epoch:
                numbered.setdefault(epoch, []).append((first, last, count))
    for epoch, stored in numbered.items():
        first, last = min(part[0] for part in stored), max(part[1] for part in stored)
        missing = last - first + 1 - sum(part[2] for part in stored)
        if missing:
            yield f"epoch {epoch}: {missing} of the ticks {first} to {last} are in no candle"


def successes(desk: Desk) -> dict[str, float]:
    """Task to the time (seconds since 1970) of its last success; empty while Valkey is away."""
    try:
        with redis.from_url(desk.state()["valkey"], socket_timeout=2) as client:
            found: Any = client.hgetall(tallies.KEY)
    except redis.RedisError:
        return {}
    words = {
        tuple(name.decode().split(tallies.JOINT)): float(value) for name, value in found.items()
    }
    return {task: at for (name, task, *_), at in words.items() if name == SUCCEEDED_AT}


class Footprint:
    """Memory of each process with its children, and connections to both servers."""

    def __init__(self, desk: Desk) -> None:
        state = desk.state()
        self.memory = {name: _resident(pid) for name, pid in state["pids"].items()}
        with psycopg.connect(state["database"]) as database:
            found = database.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            ).fetchone()
        assert found is not None
        with redis.from_url(state["valkey"]) as client:
            clients = client.info("clients")["connected_clients"]
        self.connections = {"PostgreSQL": int(found[0]), "Valkey": int(clients)}

    def beyond(self, before: Footprint) -> Iterator[str]:
        for name, was in before.memory.items():
            now = self.memory.get(name)
            if now is None:
                yield f"{name} does not run"
            elif now > was * GROWTH + SLACK:
                yield f"{name} holds {now >> 20} MiB, {was >> 20} before"
        for name, had in before.connections.items():
            if self.connections[name] > had + POOLED:
                yield f"{self.connections[name]} connections to {name}, {had} before"


def _resident(pid: int) -> int:
    total = 0
    parent = psutil.Process(pid)
    for process in [parent, *parent.children(recursive=True)]:
        try:
            # Pages that several share, as PostgreSQL's processes do, are counted once for all.
            total += process.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return total


def head(desk: Desk) -> int:
    with psycopg.connect(desk.state()["database"], connect_timeout=2) as database:
        found = database.execute(
            "SELECT coalesce(max(head_number), 0) FROM balances_chain WHERE id = 31337"
        ).fetchone()
    assert found is not None
    return int(found[0])


def rpc(desk: Desk, method: str, *params: Any) -> Any:
    question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = httpx.post(desk.state()["chain_rpc"], json=question, trust_env=False).json()
    if "error" in answer:
        raise AssertionError(json.dumps(answer["error"]))
    return answer["result"]
