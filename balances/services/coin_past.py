"""When an address's coin changed before anybody followed it, found by halving on a node that keeps
old states.

Balance and number of sent transactions are asked for together: where both are the same at two
blocks, whoever has no code did nothing in between. Contracts move the coin without a transaction of
their own, so that what cancels out stays unseen: everything here is ``sampled``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, QuerySet

from balances.models import BackfillJob, BalancePoint, Chain, Coverage, RpcEndpoint
from balances.services import cells, keepsakes
from balances.services.cells import Cell, Place, Reading
from balances.services.past import ARCHIVE, hash_of
from foundation.evm import blocks as wire
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import counted, quantity, written

# Blocks that are asked about in one exchange: each round leaves a seventeenth of the stretch.
PROBES = 16
# Changes that are dated for one address; what is older is read when somebody asks for it.
MOST_CHANGES = 64
# Seconds of work between two looks at what else is due.
SLICE = 5.0


class State(NamedTuple):
    """``value`` is in wei, ``nonce`` the number of transactions that were sent."""

    value: int
    nonce: int


def date_back(job: BackfillJob, nodes: Nodes) -> bool:
    """Date the coin's changes a slice further back from ``to_block``; true when it is finished.

    Raises ``NodeError``.
    """
    assert job.address is not None
    assert job.token is not None
    assert job.to_block is not None
    lowest = _reachable(job.chain)
    until = time.monotonic() + SLICE
    while time.monotonic() < until:
        top = job.to_block + 1 if job.cursor is None else job.cursor
        if lowest is None or top < lowest or _is_spent(job) or not _anchors(job).exists():
            return True
        first, held = _since_when(nodes, bytes(job.address.raw), lowest, top)
        if first <= job.to_block:
            _store(job, nodes, first, held, dated=first > lowest)
        job.cursor = first - 1
    return False


def _reachable(chain: Chain) -> int | None:
    """The first block whose state a node here keeps; ``None`` if none keeps old ones. Raises
    ``NodeError`` while nobody has looked."""
    rows = RpcEndpoint.objects.filter(chain=chain, enabled=True)
    depths = [row.archive_from for row in rows if row.archive_from is not None]
    if not depths and not any(row.last_ok_at for row in rows):
        raise NodeError("unavailable", "no endpoint was probed yet")
    return min(depths, default=None)


def _anchors(job: BackfillJob) -> QuerySet[BalancePoint]:
    """The reading that all this hangs on; none if its block was taken back."""
    assert job.to_block is not None
    return BalancePoint.objects.filter(
        chain=job.chain_id,
        address=job.address_id,
        token=job.token_id,
        block_number=job.to_block + 1,
    )


def _is_spent(job: BackfillJob) -> bool:
    assert job.to_block is not None
    dated = BalancePoint.objects.filter(
        chain=job.chain_id,
        address=job.address_id,
        token=job.token_id,
        block_number__lte=job.to_block,
        kind=BalancePoint.Kind.SAMPLED,
    )
    return dated.count() >= MOST_CHANGES


def _since_when(nodes: Nodes, address: bytes, lowest: int, top: int) -> tuple[int, State]:
    """The block from which on up to ``top`` nothing changed, not below ``lowest``, and what was
    held all the while."""
    (held,) = _states(nodes, address, [top], lowest)
    below, first = lowest, top
    while below < first:
        asked = _spread(below, first - 1)
        states = _states(nodes, address, asked, lowest)
        for number, state in sorted(zip(asked, states, strict=True), reverse=True):
            if state != held:
                below = number + 1
                break
            first = number
    return first, held


def _spread(first: int, last: int) -> list[int]:
    """Up to ``PROBES`` numbers from ``first`` to ``last``, the first among them."""
    count = min(PROBES, last - first + 1)
    return [first + (last - first + 1) * place // count for place in range(count)]


def _states(nodes: Nodes, address: bytes, numbers: Sequence[int], lowest: int) -> list[State]:
    name = written(address)
    calls = [
        (method, [name, hex(number)])
        for number in numbers
        for method in ("eth_getBalance", "eth_getTransactionCount")
    ]
    answers = nodes.batch(calls, needs=f"archive:{lowest}")
    for answer in answers:
        if isinstance(answer, NodeError):
            raise answer
    pairs = zip(answers[::2], answers[1::2], strict=True)
    return [State(quantity(value), counted(nonce)) for value, nonce in pairs]


def _store(job: BackfillJob, nodes: Nodes, first: int, held: State, *, dated: bool) -> None:
    """``held`` from ``first`` on, and what the address did in that block. Raises ``NodeError`` of
    kind ``orphan`` if the block above it all is not the node's any more."""
    assert job.address is not None
    assert job.to_block is not None
    block = wire.fetch_block(nodes, hash_of(nodes, first), receipts=True) if dated else None
    block_hash = block.hash if block is not None else hash_of(nodes, first)
    now = hash_of(nodes, job.to_block + 1)
    cell = Cell(job.address.pk, job.token_id or 0, bytes(job.address.raw), b"")
    with transaction.atomic():
        chain = Chain.objects.select_for_update(no_key=True).get(pk=job.chain_id)
        if not _anchors(job).filter(block_hash=now).exists():
            raise NodeError("orphan", "the blocks above were taken back")
        place = Place(chain.pk, first, block_hash)
        cells.store_points(place, [Reading(cell, held.value, ARCHIVE)])
        _cover(cell, first, job.to_block)
        if block is not None:
            keepsakes.keep_txs(chain, block, cell.raw)


def _cover(cell: Cell, first: int, last: int) -> None:
    """Let the run that ends at ``last`` begin at ``first``; single readings inside belong to it."""
    mine = Coverage.objects.filter(address=cell.address_id, token=cell.token_id)
    mine.filter(from_block=F("to_block"), from_block__gte=first, to_block__lte=last).delete()
    mine.filter(to_block=last, complete=False, from_block__gt=first).delete()
    mine.create(
        address_id=cell.address_id,
        token_id=cell.token_id,
        from_block=first,
        to_block=last,
        complete=False,
    )
