"""From the tip of the tables to the head of the node, whatever lies between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog

from balances.constants import DEEP_GAP
from balances.models import Block, Chain
from balances.services import rollback
from balances.services.blocks import Outcome, apply_block
from balances.services.rollback import TipMoved
from foundation import tallies
from foundation.evm import blocks as wire
from foundation.evm.blocks import Header
from foundation.evm.nodes import Nodes

logger = structlog.get_logger(__name__)


class Halted(Exception):
    """A person has to look: nothing was deleted, and nothing more is applied."""


class HeadMoved(Exception):
    """What the node said does not fit together: the head moved while it was asked. Ask again."""


@dataclass
class CatchUp:
    """Brings one chain up to date, block by block.

    ``patience`` is in seconds: a node that shows an older block as its head may lag behind another
    behind the same address; only when it does so for longer is it believed. ``check`` is called
    before each block and may raise to stop.
    """

    chain_id: int
    nodes: Nodes
    reorg_depth: int
    traced: bool = False
    receipts: bool = False
    patience: float = 5.0
    check: Callable[[], None] = lambda: None
    _back_since: float | None = field(default=None, init=False)
    _back_at: int = field(default=-1, init=False)

    def advance(self, announced: Header | None = None) -> Header:
        """Apply everything up to the node's head, and return that head.

        ``announced``: a head that the node told; asked for when not given. Raises ``Halted``,
        ``HeadMoved``, ``NodeError`` and database errors; each block before that is applied.
        """
        tip = self._tip()
        if announced is not None and tip is not None and announced.parent_hash == tip.hash:
            self._apply(announced)
            return announced
        head = wire.head(self.nodes)
        if tip is None:
            self._apply(head, begins=True)
            return head
        if head.hash == tip.hash:
            self._back_since = None
            return head
        if self._went_back(head, tip):
            return head
        tip = self._agree(tip, head)
        if head.number - tip.number > DEEP_GAP:
            logger.warning("far behind", chain=self.chain_id, blocks=head.number - tip.number)
            self._apply(head, begins=True)
        else:
            self._walk(tip, head)
        return head

    def _tip(self) -> Header | None:
        chain = Chain.objects.get(pk=self.chain_id)
        if chain.head_number is None or chain.head_hash is None:
            return None
        return Header(chain.head_number, bytes(chain.head_hash), b"", 0)

    def _walk(self, tip: Header, head: Header) -> None:
        parent = tip.hash
        for number in range(tip.number + 1, head.number + 1):
            header = head if number == head.number else wire.fetch_header(self.nodes, number)
            if header is None or header.parent_hash != parent:
                raise HeadMoved("the blocks do not follow each other")
            self._apply(header)
            parent = header.hash

    def _apply(self, header: Header, *, begins: bool = False) -> None:
        self.check()
        began = time.perf_counter()
        outcome = apply_block(
            self.chain_id,
            header.hash,
            self.nodes,
            traced=self.traced,
            receipts=self.receipts,
            begins=begins,
        )
        if outcome not in (Outcome.APPLIED, Outcome.KNOWN):
            raise HeadMoved(f"block {header.number}: {outcome.name.lower()}")
        seconds = time.perf_counter() - began
        tallies.tell(tallies.observed("chain_apply", str(self.chain_id), seconds=seconds))

    # --- What the chain took back ---------------------------------------------------------

    def _went_back(self, head: Header, tip: Header) -> bool:
        """Whether the node only shows a block that we have already, and may be behind. While its
        head grows it catches up. Raises ``HeadMoved`` where it is further behind than a reorg may
        reach: the chain did not take back what it still has."""
        ours = self._ours(head.number) if head.number < tip.number else None
        if head.number >= tip.number or ours not in (None, head.hash):
            self._back_since = None
            return False
        if tip.number - head.number > self.reorg_depth:
            raise HeadMoved(f"the node lags {tip.number - head.number} blocks behind")
        now = time.monotonic()
        if self._back_since is None or head.number > self._back_at:
            self._back_since = now
        self._back_at = head.number
        if now - self._back_since < self.patience:
            return True
        self._back_since = None
        return False

    def _agree(self, tip: Header, head: Header) -> Header:
        """The highest block that both sides have; ours above it are taken back."""
        ancestor = next(
            (number for number in self._down_from(tip, head) if self._is_shared(number, head)), None
        )
        if ancestor is None:
            self._prove_other(tip, head)
            raise Halted(f"no shared block within {self.reorg_depth}")
        if ancestor < tip.number:
            new = self._branch(ancestor, head)
            self.check()
            try:
                rollback.roll_back(
                    self.chain_id, tip_hash=tip.hash, fork_number=ancestor, new_hashes=new
                )
            except TipMoved as problem:
                raise HeadMoved(str(problem)) from problem
            found = self._tip()
            if found is None:
                raise HeadMoved("every block was taken back")
            # Older blocks on the far side of a hole: are they still part of the chain?
            return found if found.number == ancestor else self._agree(found, head)
        return tip

    def _down_from(self, tip: Header, head: Header) -> Iterator[int]:
        lowest = max(tip.number - self.reorg_depth, 0)
        yield from range(min(tip.number, head.number), lowest - 1, -1)

    def _prove_other(self, tip: Header, head: Header) -> None:
        """Raises ``HeadMoved`` unless the node says that another block stands where, as deep as a
        reorg may reach, we have ours: one that does not know the block may only lag."""
        number = min(head.number, max(tip.number - self.reorg_depth, 0))
        header = head if number == head.number else wire.fetch_header(self.nodes, number)
        if header is None or self._ours(number) in (None, header.hash):
            raise HeadMoved(f"the node does not say what its block {number} is")

    def _is_shared(self, number: int, head: Header) -> bool:
        ours = self._ours(number)
        if ours is None:
            # Below the blocks that we have, there is nothing to disagree about.
            return True
        if number == head.number:
            return ours == head.hash
        header = wire.fetch_header(self.nodes, number)
        return header is not None and header.hash == ours

    def _branch(self, ancestor: int, head: Header) -> list[bytes]:
        """The hashes of the new branch, linked by parents: a proxy may serve an orphan by number.

        Only as far as a reorg may reach; blocks above are checked when they are applied.
        """
        parent, hashes = self._ours(ancestor), []
        for number in range(ancestor + 1, min(head.number, ancestor + self.reorg_depth) + 1):
            header = head if number == head.number else wire.fetch_header(self.nodes, number)
            if header is None or (parent is not None and header.parent_hash != parent):
                raise HeadMoved("the new branch does not hang together")
            parent = header.hash
            hashes.append(header.hash)
        return hashes

    def _ours(self, number: int) -> bytes | None:
        found = Block.objects.filter(chain=self.chain_id, number=number)
        value = found.values_list("hash", flat=True).first()
        return None if value is None else bytes(value)
