"""What reading balances costs on a real node: 1,000 addresses with six assets, in three ways."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final
from unittest.mock import patch

from benchmarks.children import SERVER_CORE, CannotRun, Child, free_port, wait_for_port
from benchmarks.report import table
from benchmarks.targets import Verdict, judge
from demo import chain_genesis, chain_node
from foundation.evm.blocks import head
from foundation.evm.channel import Channel
from foundation.evm.multicall import Cell, balances
from foundation.evm.node import Endpoint, Node
from foundation.evm.nodes import Nodes

ADDRESSES: Final = 1000
TOKENS: Final = 5
# Every so many addresses hold a token: an answer of zeros alone would prove nothing.
HOLDERS: Final = 50
CELLS: Final = ADDRESSES * (TOKENS + 1)
_CODE: Final = Path(chain_node.__file__).resolve().parent.parent / "foundation/evm/contracts"


@dataclass(frozen=True)
class ChainRow:
    """Milliseconds over all runs; ``requests`` are HTTP requests of one run."""

    method: str
    requests: int
    best: float
    middle: float
    cpu: float
    runs: int


def measure(*, runs: int) -> list[ChainRow]:
    """On an anvil of its own, beside the client's core. Raises ``CannotRun``."""
    with _node() as url:
        nodes = Nodes([Endpoint("local", url)], chain_id=chain_node.CHAIN_ID)
        cells = _fill(nodes)
        at = head(nodes)
        multicall = bytes.fromhex(chain_node.MULTICALL[2:])
        ways: dict[str, tuple[int, Callable[[], list[int | None]]]] = {
            "multicall, packed by hand": (
                runs,
                lambda: balances(nodes, at.hash, cells, multicall=multicall),
            ),
            "JSON-RPC batches of 100": (
                max(runs // 4, 2),
                lambda: balances(nodes, at.hash, cells, multicall=None),
            ),
            "one question each": (
                1,
                lambda: _singly(nodes, at.hash, cells),
            ),
        }
        rows, seen = [], []
        for name, (times, way) in ways.items():
            row, values = _measured(name, way, times)
            rows.append(row)
            seen.append(values)
        if seen[0] != seen[1] or seen[0] != seen[2] or None in seen[0]:
            raise CannotRun("the three ways do not read the same balances")
        return rows


def show(rows: list[ChainRow]) -> None:
    heads = ("6,000 balances at one block", "requests", "best ms", "median", "CPU ms", "runs")
    lines = [
        [
            row.method,
            f"{row.requests:,}",
            *(f"{value:,.1f}" for value in (row.best, row.middle, row.cpu)),
            str(row.runs),
        ]
        for row in rows
    ]
    table("Reading balances from a node", heads, lines)


def verdicts(rows: list[ChainRow]) -> list[Verdict]:
    packed, singly = rows[0], rows[-1]
    seen = f"{packed.requests} calls, {packed.middle:.1f} ms"
    ratio = f"{singly.middle / packed.middle:.0f} times as fast as one question each"
    title = "1,000 addresses x 6 assets: at most 6 calls, under 60 ms"
    return [judge(title, f"{seen}, {ratio}", packed.requests <= 6 and packed.middle < 60)]


def _measured(
    name: str, way: Callable[[], list[int | None]], runs: int
) -> tuple[ChainRow, list[int | None]]:
    post, sent = Channel.post, 0

    def counted(channel: Channel, body: bytes, *, seconds: float) -> bytes:
        nonlocal sent
        sent += 1
        return post(channel, body, seconds=seconds)

    values = way()
    times, spent = [], time.process_time()
    with patch.object(Channel, "post", counted):
        for _ in range(runs):
            begun = time.perf_counter()
            way()
            times.append((time.perf_counter() - begun) * 1000)
    cpu = (time.process_time() - spent) * 1000 / runs
    return ChainRow(name, sent // runs, min(times), median(times), cpu, runs), values


def _singly(nodes: Nodes, block_hash: bytes, cells: list[Cell]) -> list[int | None]:
    """As a client without batches would."""
    return [balances(nodes, block_hash, [cell], multicall=None)[0] for cell in cells]


@contextmanager
def _node() -> Iterator[str]:
    if problem := chain_node.install():
        raise CannotRun(f"anvil {problem}")
    home, port = Path(tempfile.mkdtemp(prefix="quayside-bench-chain-")), free_port()
    command = chain_node.command(str(chain_node.find()), home, port, block_seconds=0)
    try:
        with Child(command, core=SERVER_CORE, cwd=home, name="anvil") as child:
            wait_for_port(child, port)
            yield f"http://127.0.0.1:{port}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _fill(nodes: Nodes) -> list[Cell]:
    """Deploy tokens, give some addresses some of each; every address with every asset."""
    drawn = Random(7)
    addresses = [drawn.randbytes(20) for _ in range(ADDRESSES)]
    code = (_CODE / "Multicall.runtime.hex").read_text().strip()
    nodes.call("anvil_setCode", chain_node.MULTICALL, f"0x{code}")
    holders = [f"0x{address.hex()}" for address in addresses[::HOLDERS]]
    for holder in holders:
        nodes.call("anvil_setBalance", holder, hex(drawn.getrandbits(80)))
    known: dict[str, Any] = json.loads(
        (chain_node.HERE / "contracts" / "contracts.json").read_text()
    )
    plan = chain_genesis.DemoTokenPlan("Bench", "BENCH", 18, 10_000)
    maker = nodes.call("eth_accounts")[0]
    node = _only(nodes)
    tokens = [
        chain_genesis.issue(node, known["DemoToken"]["bytecode"], plan, maker, holders, drawn)
        for _ in range(TOKENS)
    ]
    assets = [b"", *(bytes.fromhex(token[2:]) for token in tokens)]
    return [(address, asset) for address in addresses for asset in assets]


def _only(nodes: Nodes) -> Node:
    return nodes.attempt(lambda node: node)
