"""Many balances at one block: packed by hand for Multicall3, else as a batch of single questions.

``aggregate3((address target, bool allowFailure, bytes callData)[])``, each call in 192 bytes; a
codec for any ABI takes five times as long as this one for the two questions that are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from foundation.evm.failures import NodeError
from foundation.evm.node import Node
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import data, digest, quantity, written

Cell = tuple[bytes, bytes]

_AGGREGATE3: Final = bytes.fromhex("82ad56cb")
_BALANCE_OF: Final = bytes.fromhex("70a08231")
_GET_ETH_BALANCE: Final = bytes.fromhex("4d2301cc")
# What time-outs may shrink a chunk to.
SMALLEST_CHUNK: Final = 50
# Where the code stands for one question on nodes that let a question bring its own.
_ELSEWHERE: Final = bytes.fromhex("ca11bde05977b3631167028862be2a173976ca11")


class _NotThere(Exception):
    """No code answers at the multicall address: an empty answer, which is not zero."""


def balances(
    nodes: Nodes,
    block_hash: bytes | None,
    cells: Sequence[Cell],
    *,
    multicall: bytes | None,
    block_number: int | None = None,
    archive: bool = False,
) -> list[int | None]:
    """The balance of each cell, ``(address, token contract or b"" for the coin)``, in base units.

    With ``block_hash`` all values are of that block, and an orphan raises ``NodeError`` of kind
    ``orphan``; without, of ``block_number``, or of the head where that is missing too. ``archive``
    asks only endpoints that have the state of ``block_number``. None is a cell that could not be
    read: never zero. Raises ``NodeError`` when nothing could.
    """
    if not cells:
        return []
    needs = f"archive:{block_number or 0}" if archive else ""
    reading = _Reading(list(cells), multicall, block_hash, block_number)
    return nodes.attempt(reading.read, needs=needs)


@dataclass
class _Reading:
    cells: list[Cell]
    multicall: bytes | None
    block_hash: bytes | None
    block_number: int | None

    def read(self, node: Node) -> list[int | None]:
        values: list[int | None] = []
        while len(values) < len(self.cells):
            chunk = self.cells[len(values) : len(values) + node.multicall_cells]
            values += self._chunk(node, chunk)
        if self._by_number(node):
            self._require_canonical(node)
        return values

    def _chunk(self, node: Node, chunk: list[Cell]) -> list[int | None]:
        try:
            found = self._packed(node, chunk)
        except _NotThere:
            return self._one_by_one(node, chunk)
        except NodeError as problem:
            if problem.timed_out:
                node.multicall_cells = max(
                    min(node.multicall_cells, len(chunk) // 2), SMALLEST_CHUNK
                )
            if problem.kind not in ("too_large", "refused"):
                raise
            if len(chunk) == 1:
                return self._one_by_one(node, chunk)
            if problem.kind == "too_large":
                node.multicall_cells = min(node.multicall_cells, len(chunk) // 2)
            middle = len(chunk) // 2
            return [*self._chunk(node, chunk[:middle]), *self._chunk(node, chunk[middle:])]
        return self._again(node, chunk, found)

    def _again(self, node: Node, chunk: list[Cell], found: list[int | None]) -> list[int | None]:
        """A token that burns all gas fails its neighbours: those that failed are asked alone."""
        failed = [number for number, value in enumerate(found) if value is None]
        failed = failed[: node.batch_max]
        if failed:
            alone = self._one_by_one(node, [chunk[number] for number in failed])
            for number, value in zip(failed, alone, strict=True):
                found[number] = value
        return found

    def _packed(self, node: Node, chunk: list[Cell]) -> list[int | None]:
        if self.multicall is not None:
            try:
                return self._aggregate(node, chunk, self.multicall, {})
            except _NotThere:
                pass
        if "override" not in node.endpoint.caps:
            raise _NotThere
        code = {written(_ELSEWHERE): {"code": written(runtime())}}
        return self._aggregate(node, chunk, _ELSEWHERE, code)

    def _aggregate(
        self, node: Node, chunk: list[Cell], at: bytes, code: dict[str, Any]
    ) -> list[int | None]:
        question = {"to": written(at), "data": written(packed(chunk, at))}
        answer = node.call("eth_call", question, self._where(node), *([code] if code else []))
        if answer == "0x":
            raise _NotThere
        return unpacked(data(answer), len(chunk))

    def _one_by_one(self, node: Node, chunk: list[Cell]) -> list[int | None]:
        where = self._where(node)
        answers = node.batch([_single(cell, where) for cell in chunk])
        problems = [answer for answer in answers if isinstance(answer, NodeError)]
        # What another endpoint may answer, or nobody can, is no failure of the cell.
        for problem in problems:
            if problem.kind not in ("refused", "too_large"):
                raise problem
        return [_word(answer, cell) for cell, answer in zip(chunk, answers, strict=True)]

    def _where(self, node: Node) -> Any:
        if self.block_hash is None:
            return "latest" if self.block_number is None else hex(self.block_number)
        if not self._by_number(node):
            return {"blockHash": written(self.block_hash), "requireCanonical": True}
        if self.block_number is None:
            raise NodeError("no_method", "cannot name a block by its hash")
        return hex(self.block_number)

    def _by_number(self, node: Node) -> bool:
        return self.block_hash is not None and not node.endpoint.may("eip1898")

    def _require_canonical(self, node: Node) -> None:
        """After reading by number: whether that number was this block all the while. A reorg there
        and back in between would have to restore the very same hash."""
        block = node.call("eth_getBlockByNumber", hex(self.block_number or 0), False)
        match block:
            case {"hash": found} if digest(found) == self.block_hash:
                return
        raise NodeError("orphan", "another block has this number")


def packed(cells: Sequence[Cell], multicall: bytes) -> bytes:
    """The call data of ``aggregate3`` for these cells."""
    heads = {
        token: _head(token or multicall, _BALANCE_OF if token else _GET_ETH_BALANCE)
        for token in {token for _address, token in cells}
    }
    parts = [_AGGREGATE3, _number(32), _number(len(cells)), _offsets(len(cells))]
    for address, token in cells:
        parts += (heads[token], address, _TAIL)
    return b"".join(parts)


def _head(target: bytes, selector: bytes) -> bytes:
    """Target, failure allowed, where the call data begin, their length, their first 16 bytes."""
    return bytes(12) + target + _number(1) + _number(96) + _number(36) + selector + bytes(12)


_TAIL: Final = bytes(28)


@lru_cache(maxsize=8)
def _offsets(count: int) -> bytes:
    return b"".join(_number(32 * count + 192 * index) for index in range(count))


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def unpacked(answer: bytes, count: int) -> list[int | None]:
    """The values that ``aggregate3`` returned; None where a call failed or returned too little.

    Raises ``NodeError`` unless the answer holds exactly ``count`` of them.
    """
    read = int.from_bytes
    if len(answer) < 64 or read(answer[32:64], "big") != count:
        raise NodeError("bad_answer", "another number of answers than of questions")
    values: list[int | None] = []
    for place in range(64, 64 + 32 * count, 32):
        start = 64 + read(answer[place : place + 32], "big")
        if start + 96 > len(answer):
            raise NodeError("bad_answer", "answers that were cut off")
        length = read(answer[start + 64 : start + 96], "big")
        if not answer[start + 31] or length < 32 or start + 128 > len(answer):
            values.append(None)
        else:
            values.append(read(answer[start + 96 : start + 128], "big"))
    return values


def _single(cell: Cell, where: Any) -> tuple[str, list[Any]]:
    address, token = cell
    if not token:
        return "eth_getBalance", [written(address), where]
    question = {"to": written(token), "data": written(_BALANCE_OF + bytes(12) + address)}
    return "eth_call", [question, where]


def _word(answer: Any, cell: Cell) -> int | None:
    if isinstance(answer, NodeError):
        return None
    if not cell[1]:
        return quantity(answer)
    returned = data(answer)
    return int.from_bytes(returned[:32], "big") if len(returned) >= 32 else None


@cache
def runtime() -> bytes:
    """The code of our own contract as it stands on a chain."""
    file = Path(__file__).parent / "contracts" / "Multicall.runtime.hex"
    return bytes.fromhex(file.read_text().strip())
