"""An address's transfers of tokens out of the past, in windows as large as the node bears."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from foundation.evm.blocks import TRANSFER, TransferData, transfer_of
from foundation.evm.failures import NodeError
from foundation.evm.node import Node
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import digest, quantity, written

FIRST_WINDOW: Final = 50
STEP: Final = 20
# Providers are unreliable at the end of a range.
READ_AGAIN: Final = 2


@dataclass(frozen=True, slots=True)
class LoggedTransfer:
    block_number: int
    block_hash: bytes
    transfer: TransferData


@dataclass(frozen=True, slots=True)
class LogWindow:
    """All transfers from ``from_block`` to ``to_block``, both included, in their order."""

    from_block: int
    to_block: int
    transfers: list[LoggedTransfer]


def transfer_logs(
    nodes: Nodes, address: bytes, from_block: int, to_block: int
) -> Iterator[LoggedTransfer]:
    """Transfers of ERC-20 to or from ``address``, each once, oldest first. Raises ``NodeError``."""
    for window in transfer_windows(nodes, address, from_block, to_block):
        yield from window.transfers


def transfer_windows(
    nodes: Nodes, address: bytes, from_block: int, to_block: int
) -> Iterator[LogWindow]:
    """The same in windows that follow on one another: whoever stops after one goes on behind it.

    The windows shrink where a node is slow or calls them too large. Raises ``NodeError``.
    """
    size, start = FIRST_WINDOW, from_block
    seen: set[tuple[bytes, int]] = set()
    while start <= to_block:
        # The first of the two blocks that are read again belongs to the window before.
        first = max(start - READ_AGAIN, from_block)
        begun = time.monotonic()
        reading = _Reading(address, first, min(start + size - 1, to_block))
        try:
            last, found = nodes.attempt(reading.read, needs="logs")
        except NodeError as problem:
            smaller = problem.kind in ("range", "too_large") or problem.timed_out
            if not smaller or size == 1:
                raise
            size = max(size // 2, 1)
            continue
        fresh = [log for log in found if _key(log) not in seen]
        yield LogWindow(start, last, fresh)
        seen = {_key(log) for log in found if log.block_number > last - READ_AGAIN}
        size = tuned(size, time.monotonic() - begun)
        start = last + 1


def tuned(size: int, seconds: float) -> int:
    """How many blocks to ask for next, after ``size`` of them took so long."""
    if seconds > 30:
        return max(size // 2, 1)
    if seconds > 10:
        return max(size - STEP, 1)
    if seconds < 2:
        return size * 2
    return size + STEP if seconds < 5 else size


def _key(log: LoggedTransfer) -> tuple[bytes, int]:
    return log.block_hash, log.transfer.log_index


@dataclass
class _Reading:
    address: bytes
    first: int
    last: int

    def read(self, node: Node) -> tuple[int, list[LoggedTransfer]]:
        """The last block that was read, as this node allows, and what was found."""
        last = min(self.last, self.first + max(node.endpoint.logs_range_max, READ_AGAIN + 1) - 1)
        word = written(bytes(12) + self.address)
        span = {"fromBlock": hex(self.first), "toBlock": hex(last)}
        answers = node.batch(
            [
                ("eth_getLogs", [{**span, "topics": [TRANSFER, word]}]),
                ("eth_getLogs", [{**span, "topics": [TRANSFER, None, word]}]),
            ]
        )
        found: dict[tuple[bytes, int], LoggedTransfer] = {}
        for answer in answers:
            if isinstance(answer, NodeError):
                raise answer
            for log in self._logged(answer, last):
                found[_key(log)] = log
        in_order = sorted(found.values(), key=lambda log: (log.block_number, _key(log)[1]))
        return last, in_order

    def _logged(self, logs: Any, last: int) -> Iterator[LoggedTransfer]:
        try:
            for log in logs:
                transfer = transfer_of(log)
                if transfer is None:
                    continue
                number = quantity(log["blockNumber"])
                asked = self.address in (transfer.sender, transfer.recipient)
                if not asked or not self.first <= number <= last:
                    raise NodeError("bad_answer", "other logs than asked for")
                yield LoggedTransfer(number, digest(log["blockHash"]), transfer)
        except (KeyError, TypeError, AttributeError) as problem:
            raise NodeError("bad_answer", "no logs") from problem
