"""A chain in memory that can be told to take blocks back, in place of ``foundation.evm``."""

from __future__ import annotations

import random
from typing import Any

from balances.constants import NATIVE
from foundation.evm import blocks as wire
from foundation.evm import multicall
from foundation.evm.blocks import BlockData, Header, TransferData, TxData
from foundation.evm.node import NodeError

TOKENS = [b"\xc1" * 20, b"\xc2" * 20]
MINER = b"\xee" * 20
START = 1_000_000
RICHES = 1_000

Held = dict[tuple[bytes, bytes], int]


class SimulatedChain:
    """``people`` begin with 1,000 of everything. Every block knows the balances after it."""

    def __init__(self, people: list[bytes], seed: int) -> None:
        self.people = people
        self.random = random.Random(seed)
        everything = {(who, what): RICHES for who in people for what in (NATIVE, *TOKENS)}
        genesis = self._block(0, bytes(32), [], [])
        self.line = [genesis]
        self.state: dict[bytes, Held] = {genesis.hash: everything}
        self.every = {genesis.hash: genesis}

    @property
    def head(self) -> BlockData:
        return self.line[-1]

    def mine(self, count: int = 1, transfers: int = 4) -> None:
        for _ in range(count):
            self._grow(transfers)

    def take_back(self, depth: int) -> None:
        """The head goes back by ``depth`` blocks, but never below block 1."""
        keep = max(len(self.line) - depth, 2)
        del self.line[keep:]

    def reorganise(self, depth: int, transfers: int = 4) -> None:
        """Other blocks in place of the newest ``depth``, and one more."""
        before = len(self.line)
        self.take_back(depth)
        self.mine(before - len(self.line) + 1, transfers)

    def truth(self, number: int, who: bytes, what: bytes) -> int:
        return self.state[self.line[number].hash][who, what]

    def _grow(self, transfers: int) -> None:
        parent = self.head
        held = dict(self.state[parent.hash])
        txs: list[TxData] = []
        moves: list[TransferData] = []
        for idx in range(transfers):
            sender, recipient = self.random.choices(self.people, k=2)
            what = self.random.choice([NATIVE, *TOKENS])
            value = self.random.randint(0, held[sender, what])
            held[sender, what] -= value
            held[recipient, what] += value
            name = self.random.randbytes(32)
            if what == NATIVE:
                txs.append(TxData(len(txs), name, sender, recipient, value, idx, 0, True))
            else:
                txs.append(TxData(len(txs), name, sender, what, 0, idx, 0, True))
                moves.append(TransferData(len(moves), what, sender, recipient, value, name))
        block = self._block(parent.number + 1, parent.hash, txs, moves)
        self.state[block.hash] = held
        self.every[block.hash] = block
        self.line.append(block)

    def _block(
        self, number: int, parent: bytes, txs: list[TxData], moves: list[TransferData]
    ) -> BlockData:
        return BlockData(
            number=number,
            hash=self.random.randbytes(32),
            parent_hash=parent,
            ts=START + number,
            gas_used=21_000,
            gas_limit=30_000_000,
            base_fee=7,
            miner=MINER,
            txs=txs,
            transfers=moves,
            withdrawals=[],
        )

    # --- In place of foundation.evm ---------------------------------------------------------

    def stand_in(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(wire, "head", lambda nodes: _header(self.head))
        monkeypatch.setattr(wire, "fetch_header", lambda nodes, number: self._header_of(number))
        monkeypatch.setattr(wire, "fetch_block", lambda nodes, name, **_: self._canonical(name))
        monkeypatch.setattr(multicall, "balances", self._balances)

    def _header_of(self, number: int) -> Header | None:
        return _header(self.line[number]) if number < len(self.line) else None

    def _canonical(self, name: bytes) -> BlockData | None:
        block = self.every.get(name)
        if block is None or block.number >= len(self.line) or self.line[block.number] != block:
            return None
        return block

    def _balances(
        self, nodes: Any, name: bytes, cells: list[tuple[bytes, bytes]], **_: Any
    ) -> list[int | None]:
        if self._canonical(name) is None:
            raise NodeError("orphan")
        held = self.state[name]
        return [held.get(cell, 0) for cell in cells]


def _header(block: BlockData) -> Header:
    return Header(block.number, block.hash, block.parent_hash, block.ts)
