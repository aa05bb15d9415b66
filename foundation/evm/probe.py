"""What an endpoint can do, found out by asking: providers differ more than their documents say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from foundation.evm.blocks import TRANSFER, Header, header_of
from foundation.evm.failures import NodeError
from foundation.evm.heads import OPEN, new_heads
from foundation.evm.multicall import runtime
from foundation.evm.node import DEADLINE, Endpoint, Node
from foundation.evm.quantities import data, digest, quantity, written

BATCHES: Final = (100, 10)
LOG_RANGES: Final = (10_000, 2_000, 1_000, 500, 50)
# Behind the head; geth keeps the state of 128 blocks.
DEPTHS: Final = (10_000, 128, 1)
# Seconds for all questions together.
WHOLE: Final = 15.0
LONGEST_CLIENT: Final = 80
_NOBODY: Final = written(bytes(20))
_NOWHERE: Final = written(bytes.fromhex("11" * 20))


@dataclass(frozen=True)
class Probe:
    """``archive_from`` is the first block whose state it gave, None where it gave none but the
    head's. ``multicall`` says whether code stands at the address that was asked for."""

    chain_id: int
    genesis: bytes | None
    client: str
    head: Header
    archive_from: int | None
    batch_max: int
    logs_range_max: int
    caps: frozenset[str]
    multicall: bool


def probe(
    endpoint: Endpoint, *, multicall: bytes | None = None, deadline: float = DEADLINE
) -> Probe:
    """Ask about twenty questions, for ``WHOLE`` seconds at most. Raises ``NodeError`` where even
    chain and head are not told, or that time was too short: nothing was found out then. What else
    fails is something the endpoint cannot do, until it is probed again.
    """
    until = time.monotonic() + WHOLE
    node = Node(endpoint, deadline=deadline, until=until)
    try:
        found = _probe(node, multicall)
    finally:
        node.close()
    if time.monotonic() >= until:
        raise NodeError("unavailable", "too slow to be probed", timed_out=True)
    return found


def _probe(node: Node, multicall: bytes | None) -> Probe:
    chain_id = quantity(node.call("eth_chainId"))
    head = header_of(node.call("eth_getBlockByNumber", "latest", False))
    checks: dict[str, Callable[[], bool]] = {
        "eip1898": lambda: _names_blocks_by_hash(node, head),
        "override": lambda: _lets_code_come_along(node),
        "trace": lambda: _traces(node, head),
        "subscribe": lambda: _subscribes(node),
    }
    return Probe(
        chain_id=chain_id,
        genesis=_genesis(node),
        client=_client(node),
        head=head,
        archive_from=_archive_from(node, head.number),
        batch_max=next((size for size in BATCHES if _takes_batch(node, size)), 1),
        logs_range_max=_logs_range(node, head.number),
        caps=frozenset(name for name, check in checks.items() if _holds(check)),
        multicall=multicall is not None and _holds(lambda: _has_code(node, multicall)),
    )


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except NodeError:
        return False


def _answers(node: Node, method: str, *params: Any) -> bool:
    return _holds(lambda: node.call(method, *params) is not None)


def _genesis(node: Node) -> bytes | None:
    """None where the endpoint does not serve so old a block."""
    try:
        block = node.call("eth_getBlockByNumber", "0x0", False)
        return digest(block["hash"]) if isinstance(block, dict) else None
    except NodeError:
        return None


def _client(node: Node) -> str:
    try:
        said = node.call("web3_clientVersion")
    except NodeError:
        return ""
    printable = "".join(filter(str.isprintable, said)) if isinstance(said, str) else ""
    return printable[:LONGEST_CLIENT]


def _archive_from(node: Node, head: int) -> int | None:
    numbers = [1, *(head - depth for depth in DEPTHS)]
    for number in numbers:
        # Some endpoints answer for blocks that are not there yet.
        if 0 < number <= head and _has_state(node, number):
            return 0 if number == 1 else number
    return 0 if head == 0 else None


def _has_state(node: Node, number: int) -> bool:
    # By call as well: some endpoints answer balances from elsewhere.
    question = {"to": _NOBODY, "data": "0x"}
    return _answers(node, "eth_getBalance", _NOBODY, hex(number)) and _answers(
        node, "eth_call", question, hex(number)
    )


def _takes_batch(node: Node, size: int) -> bool:
    node.batch_max = size

    def check() -> bool:
        answers = node.batch([("eth_chainId", [])] * size)
        # A batch that had to be split counts as refused.
        return node.batch_max == size and not any(isinstance(a, NodeError) for a in answers)

    return _holds(check)


def _logs_range(node: Node, head: int) -> int:
    for blocks in LOG_RANGES:
        span = {"fromBlock": hex(max(head - blocks + 1, 0)), "toBlock": hex(head)}
        asked = {**span, "address": _NOWHERE, "topics": [TRANSFER]}
        if _answers(node, "eth_getLogs", asked):
            return blocks
    return 1


def _names_blocks_by_hash(node: Node, head: Header) -> bool:
    """And refuses a hash that is none: some read over the hash and answer for the head."""
    named = {"blockHash": written(head.hash), "requireCanonical": True}
    unknown = {"blockHash": written(bytes(31) + b"\1"), "requireCanonical": True}
    return _answers(node, "eth_getBalance", _NOBODY, named) and not _answers(
        node, "eth_getBalance", _NOBODY, unknown
    )


def _lets_code_come_along(node: Node) -> bool:
    # getEthBalance of whoever holds nothing is 32 zero bytes, and nothing at all without the code.
    question = {"to": _NOWHERE, "data": "0x4d2301cc" + "00" * 12 + "22" * 20}
    code = {_NOWHERE: {"code": written(runtime())}}
    return len(data(node.call("eth_call", question, "latest", code))) == 32


def _traces(node: Node, head: Header) -> bool:
    tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    return isinstance(node.call("debug_traceBlockByHash", written(head.hash), tracer), list)


def _has_code(node: Node, where: bytes) -> bool:
    return len(data(node.call("eth_getCode", written(where), "latest"))) > 0


def _subscribes(node: Node) -> bool:
    url, left = node.endpoint.url_ws, node.until - time.monotonic()
    return bool(url) and left > 0 and asyncio.run(_subscribed(url, min(2 * OPEN, left)))


async def _subscribed(url_ws: str, seconds: float) -> bool:
    done = asyncio.Event()
    async with aclosing(new_heads(url_ws, on_subscribed=done.set)) as heads:
        first = asyncio.ensure_future(anext(heads))
        waiting = asyncio.ensure_future(done.wait())
        await asyncio.wait([first, waiting], timeout=seconds, return_when="FIRST_COMPLETED")
        for task in (first, waiting):
            task.cancel()
        await asyncio.gather(first, waiting, return_exceptions=True)
    return done.is_set()
