"""What a block costs from its head being heard to being committed, and what a reorg costs.

``python -m benchmarks.chain_follow`` measures with the servers of its environment, on a node of its
own, and prints a JSON row.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from benchmarks.children import CannotRun, free_port
from benchmarks.contenders import valkey
from benchmarks.database import python
from benchmarks.report import table
from benchmarks.targets import Verdict, judge

if TYPE_CHECKING:
    from balances.tests.following import Town
    from foundation.evm.nodes import Nodes

PEOPLE = 200
WATCHED = 2_500
TRANSACTIONS = 200
BLOCKS = 40
ROLLBACKS = 10
DEPTH = 10
REORG_TRANSACTIONS = 30


@dataclass
class FollowRow:
    """Milliseconds. ``receipts``: with the fees of every transaction."""

    transactions: int
    watched: int
    cells: float
    commit_p50: float
    commit_p95: float
    receipts_p50: float
    receipts_p95: float
    node_p50: float
    rollback_p50: float
    rollback_p95: float
    rollback_rows: int


def measure(database: str) -> FollowRow:
    """On a Valkey of its own. Raises ``CannotRun``."""
    with valkey() as url:
        printed = python(database, "-m", "benchmarks.chain_follow", valkey=url)
    return FollowRow(**json.loads(printed.splitlines()[-1]))


def verdicts(row: FollowRow) -> list[Verdict]:
    return [
        judge(
            f"head to committed p95 under 150 ms, {row.transactions} transactions",
            f"{row.commit_p95:.1f} ms, {row.receipts_p95:.1f} with receipts",
            row.receipts_p95 < 150,
        ),
        judge(
            f"rollback of {DEPTH} blocks under 50 ms",
            f"p95 {row.rollback_p95:.1f} ms, {row.rollback_rows} rows",
            row.rollback_p95 < 50,
        ),
    ]


def show(row: FollowRow) -> None:
    lines = [
        ["head to committed", f"{row.commit_p50:.1f}", f"{row.commit_p95:.1f}"],
        ["the same with receipts", f"{row.receipts_p50:.1f}", f"{row.receipts_p95:.1f}"],
        ["of which the node's answer", f"{row.node_p50:.1f}", "-"],
        [f"rollback of {DEPTH} blocks", f"{row.rollback_p50:.1f}", f"{row.rollback_p95:.1f}"],
    ]
    title = f"Following a chain: {row.transactions} transactions, {row.cells:.0f} changed cells"
    table(title, ("", "p50", "p95 ms"), lines)


def main() -> FollowRow:
    os.environ.update(DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR")
    import django

    django.setup()
    with _node() as node:
        return _measure(node)


@contextmanager
def _node() -> Iterator[Any]:
    from demo.pytest_anvil import Anvil, binary

    port = free_port()
    command = [binary(), "--port", str(port), "--chain-id", "1", "--silent"]
    with subprocess.Popen(command) as process:
        try:
            _wait_for(process, port)
            node = Anvil(port, 1)
            yield node
            node.close()
        finally:
            process.terminate()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    import socket

    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotRun("anvil does not listen") from None
            time.sleep(0.02)


def _measure(node: Any) -> FollowRow:
    from balances.models import Balance, BalancePoint, Chain
    from balances.services import backfill, seeding
    from balances.services.blocks import apply_block
    from balances.sources import nodes_for, sync_chains
    from balances.tests.following import Town, configured
    from foundation.evm import blocks as wire

    town = Town(node, PEOPLE)
    (chain,) = sync_chains(configured(node))
    nodes = nodes_for(chain)
    apply_block(chain.pk, wire.head(nodes).hash, nodes)
    strangers = [random.randbytes(20) for _ in range(WATCHED - PEOPLE)]
    seeding.watch_addresses(town.people)
    backfill.run_due(PEOPLE, kinds=["seed"])
    seeding.watch_addresses(strangers)
    _block(town, nodes, receipts=True)

    points = BalancePoint.objects.count()
    plain = [_block(town, nodes, receipts=False) for _ in range(BLOCKS)]
    cells = (BalancePoint.objects.count() - points) / BLOCKS
    full = [_block(town, nodes, receipts=True) for _ in range(BLOCKS)]
    reading = [_reading(nodes) for _ in range(BLOCKS)]
    back, rows = zip(*(_roll_back(town, nodes) for _ in range(ROLLBACKS)), strict=True)
    nodes.close()
    assert not Balance.objects.filter(stale=True, token__chain=Chain.objects.get()).exists()
    return FollowRow(
        transactions=TRANSACTIONS,
        watched=WATCHED,
        cells=cells,
        commit_p50=median(plain),
        commit_p95=_p95(plain),
        receipts_p50=median(full),
        receipts_p95=_p95(full),
        node_p50=median(reading),
        rollback_p50=median(back),
        rollback_p95=_p95(back),
        rollback_rows=int(median(rows)),
    )


def _block(town: Town, nodes: Nodes, *, receipts: bool, transactions: int = TRANSACTIONS) -> float:
    """Milliseconds from the head's hash to the commit."""
    from balances.services.blocks import Outcome, apply_block

    town.pay_in_one_block(transactions)
    name = bytes.fromhex(town.head()[1][2:])
    begun = time.perf_counter()
    outcome = apply_block(1, name, nodes, receipts=receipts)
    spent = (time.perf_counter() - begun) * 1000
    assert outcome is Outcome.APPLIED, outcome
    return spent


def _reading(nodes: Nodes) -> float:
    """What the node itself takes of it."""
    from foundation.evm import blocks as wire

    name = wire.head(nodes).hash
    begun = time.perf_counter()
    wire.fetch_block(nodes, name, receipts=True)
    return (time.perf_counter() - begun) * 1000


def _roll_back(town: Town, nodes: Nodes) -> tuple[float, int]:
    """Milliseconds for ten blocks, and how many rows they had."""
    from balances.models import BalancePoint, Block, Chain, Transfer, Tx
    from balances.services.rollback import roll_back

    for _ in range(DEPTH):
        _block(town, nodes, receipts=False, transactions=REORG_TRANSACTIONS)
    chain = Chain.objects.get()
    assert chain.head_number is not None
    fork = chain.head_number - DEPTH
    rows = sum(
        model.objects.filter(**{f"{name}__gt": fork}).count()
        for model, name in (
            (Block, "number"),
            (Tx, "block_number"),
            (Transfer, "block_number"),
            (BalancePoint, "block_number"),
        )
    )
    begun = time.perf_counter()
    roll_back(1, tip_hash=bytes(chain.head_hash or b""), fork_number=fork)
    spent = (time.perf_counter() - begun) * 1000
    town.anvil.ask("anvil_rollback", DEPTH)
    return spent, rows


def _p95(values: Any) -> float:
    return float(quantiles(values, n=20, method="inclusive")[-1])


if __name__ == "__main__":
    print(json.dumps(asdict(main())))
