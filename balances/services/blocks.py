"""One block from the node into the tables: safe to repeat, and in one transaction without a node.

Subscription, poll and catch-up all end here. What is read beforehand is only written if the chain's
tip, and the addresses that are followed, are still what they were when it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, auto
from typing import Any

import structlog
from django.db import connection, transaction
from django.utils import timezone

from balances.constants import NATIVE
from balances.models import Block, Chain, ChainSpan, Token
from balances.models.balances import BackfillJob, BalancePoint
from balances.services import cells, publishing, seeding
from balances.services.cells import Cell, Place, Reading
from balances.services.tokens import native_of, tokens_of
from foundation.evm import blocks as wire
from foundation.evm.blocks import BlockData, TransferData, TxData
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes

logger = structlog.get_logger(__name__)

# Full nodes keep the state of 128 blocks; older ones are asked of those that keep more.
RECENT = 100
# Imports of addresses move ``watch_seq`` once each, so few can fall into one block.
ATTEMPTS = 20


class Outcome(Enum):
    APPLIED = auto()
    # It is part of the tables already.
    KNOWN = auto()
    # The node has it no more: ask for the head again.
    ORPHANED = auto()
    # Its parent is not our tip: some of our blocks may have been taken back.
    FORKED = auto()
    # Blocks are missing before it.
    AHEAD = auto()


class _WatchesMoved(Exception):
    """An address was added between the matching and the lock."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What of a block concerns followed addresses, and which of their cells it moved."""

    watch_seq: int
    tokens: dict[bytes, Token]
    cells: list[Cell]


def apply_block(
    chain_id: int,
    block_hash: bytes,
    nodes: Nodes,
    *,
    traced: bool = False,
    receipts: bool = False,
    begins: bool = False,
) -> Outcome:
    """Apply one block on top of the tip.

    ``traced``: ask for the moves of the coin inside transactions too. ``receipts``: for fees.
    ``begins``: blocks are missing before this one on purpose; they become a job, and everything
    that is known is to be read again. Raises ``NodeError`` and database errors, with nothing done.
    """
    block = wire.fetch_block(nodes, block_hash, receipts=receipts)
    if block is None:
        return Outcome.ORPHANED
    for _ in range(ATTEMPTS):
        chain = Chain.objects.get(pk=chain_id)
        obstacle = _obstacle(chain, block, begins=begins)
        if obstacle is not None:
            return obstacle
        try:
            inside = moved_inside(chain, block, nodes) if traced else None
            matched = match(chain, block, inside or {})
            readings = read(chain, block, matched, inside, nodes)
            return _commit(
                chain_id, block, matched, readings, begins=begins, traced=inside is not None
            )
        except NodeError as problem:
            if problem.kind != "orphan":
                raise
            return Outcome.ORPHANED
        except _WatchesMoved:
            continue
    raise NodeError("unavailable", "addresses are added faster than blocks can be matched")


def _obstacle(chain: Chain, block: BlockData, *, begins: bool) -> Outcome | None:
    if chain.head_number is None:
        return None
    if block.number <= chain.head_number:
        # Above the head, one that is stored was kept for an address's past and never applied.
        known = Block.objects.filter(chain=chain, hash=block.hash).exists()
        return Outcome.KNOWN if known else Outcome.FORKED
    if begins:
        return None
    if block.number > chain.head_number + 1:
        return Outcome.AHEAD
    return None if block.parent_hash == bytes(chain.head_hash or b"") else Outcome.FORKED


# --- Before the transaction -----------------------------------------------------------


def moved_inside(chain: Chain, block: BlockData, nodes: Nodes) -> dict[bytes, int] | None:
    """What a trace tells, ``None`` where no endpoint traces just now: a block does not wait for it,
    and what moved inside its transactions is found by the next sweep. Raises ``NodeError`` of kind
    ``orphan`` alone."""
    reason = "no endpoint traces it"
    try:
        inside = wire.touched_native(nodes, block.hash)
    except NodeError as problem:
        if problem.kind == "orphan":
            raise
        inside, reason = None, str(problem)
    if inside is None:
        logger.warning("block without traces", chain=chain.pk, number=block.number, reason=reason)
    return inside


def match(chain: Chain, block: BlockData, inside: Iterable[bytes] = ()) -> Matched:
    """Find the followed addresses that the block touches. ``inside``: found by a trace."""
    natives = {block.miner, *block.withdrawals, *inside}
    for tx in block.txs:
        natives.add(tx.sender)
        if tx.recipient is not None:
            natives.add(tx.recipient)
    moved = {(t.sender, t.contract) for t in block.transfers}
    moved |= {(t.recipient, t.contract) for t in block.transfers}
    tokens = tokens_of(chain, {transfer.contract for transfer in block.transfers})
    followed = _followed(natives | {raw for raw, _ in moved})
    native = native_of(chain)
    found = [Cell(followed[raw], native.pk, raw, NATIVE) for raw in natives if raw in followed]
    for raw, contract in moved:
        if raw in followed:
            token = tokens[contract]
            found.append(Cell(followed[raw], token.pk, raw, contract, token.bugged_events))
    # In one order, so that two writers of the same cells could not wait for each other.
    return Matched(chain.watch_seq, tokens, sorted(found))


def _followed(raw: Iterable[bytes]) -> dict[bytes, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT raw, id FROM balances_address WHERE raw = ANY(%s)", [list(raw)])
        return {bytes(address): pk for address, pk in cursor.fetchall()}


def read(
    chain: Chain,
    block: BlockData,
    matched: Matched,
    inside: dict[bytes, int] | None,
    nodes: Nodes,
    *,
    archive: bool = False,
) -> list[Reading]:
    """The values of the touched cells at this block. ``inside``: from its trace, ``None`` without
    one. Raises ``NodeError``."""
    # What the chain itself pays comes after the last transaction, of which a trace knows nothing.
    paid = {block.miner, *block.withdrawals}
    values = {raw: value for raw, value in (inside or {}).items() if raw not in paid}
    told = {cell for cell in matched.cells if not cell.contract and cell.raw in values}
    asked = [cell for cell in matched.cells if cell not in told]
    readings = cells.read(
        nodes,
        block.hash,
        asked,
        multicall_address=seeding.multicall_at(chain, block.number),
        number=block.number,
        archive=archive,
    )
    trace = BalancePoint.Source.TRACE
    readings += [Reading(cell, values[cell.raw], trace) for cell in told]
    return [replace(reading, traced=inside is not None) for reading in readings]


# --- The transaction --------------------------------------------------------------------


def _commit(
    chain_id: int,
    block: BlockData,
    matched: Matched,
    readings: list[Reading],
    *,
    begins: bool,
    traced: bool,
) -> Outcome:
    with transaction.atomic():
        chain = Chain.objects.select_for_update(no_key=True).get(pk=chain_id)
        obstacle = _obstacle(chain, block, begins=begins)
        if obstacle is not None:
            return obstacle
        if chain.watch_seq != matched.watch_seq:
            raise _WatchesMoved
        if begins or chain.head_number is None:
            _begin_span(chain, block)
        else:
            ChainSpan.objects.filter(chain=chain, to_block=chain.head_number).update(
                to_block=block.number
            )
        # What was kept of that number, of this branch or another, is no part of it.
        Block.objects.filter(chain=chain, number=block.number).delete()
        insert(chain, block, matched.tokens)
        place = Place(chain.pk, block.number, block.hash)
        if not traced:
            cells.end_complete_coins(place)
        changed = cells.store(place, readings, touched=True)
        _move_head(chain, block)
        publishing.publish_block(chain, block)
        publishing.publish_cells(changed)
    return Outcome.APPLIED


def insert(
    chain: Chain, block: BlockData, tokens: dict[bytes, Token], *, only: set[bytes] | None = None
) -> None:
    """Store the block with what it holds; with ``only``, with what these addresses took part in."""
    row = Block.objects.create(
        chain=chain,
        number=block.number,
        hash=block.hash,
        parent_hash=block.parent_hash,
        ts=moment(block.ts),
        tx_count=len(block.txs),
        transfer_count=len(block.transfers),
        gas_used=block.gas_used,
        gas_limit=block.gas_limit,
        base_fee=block.base_fee,
        miner=block.miner,
    )
    taking_part = _taking_part(only)
    insert_txs(row, [tx for tx in block.txs if taking_part(tx)])
    insert_transfers(row, [move for move in block.transfers if taking_part(move)], tokens)


def _taking_part(only: set[bytes] | None) -> Callable[[TxData | TransferData], bool]:
    if only is None:
        return lambda item: True
    return lambda item: item.sender in only or item.recipient in only


# Rows by the hundred, many times a second: arrays cost a tenth of what objects and lists of
# placeholders do.


def insert_txs(block: Block, txs: Sequence[TxData]) -> None:
    if not txs:
        return
    sql = """
        INSERT INTO balances_tx (chain_id, block_id, block_number,
            idx, hash, sender, recipient, value, nonce, fee, ok)
        SELECT %s, %s, %s, * FROM unnest(%s::int[], %s::bytea[], %s::bytea[], %s::bytea[],
            %s::numeric[], %s::bigint[], %s::numeric[], %s::bool[])
        ON CONFLICT (block_id, idx) DO NOTHING
    """
    columns: list[list[Any]] = [
        [tx.idx for tx in txs],
        [tx.hash for tx in txs],
        [tx.sender for tx in txs],
        [tx.recipient for tx in txs],
        [Decimal(tx.value) for tx in txs],
        [tx.nonce for tx in txs],
        [None if tx.fee is None else Decimal(tx.fee) for tx in txs],
        [tx.ok for tx in txs],
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, [block.chain_id, block.pk, block.number, *columns])


def insert_transfers(
    block: Block, transfers: Sequence[TransferData], tokens: Mapping[bytes, Token]
) -> None:
    if not transfers:
        return
    sql = """
        INSERT INTO balances_transfer (chain_id, block_id, block_number,
            log_index, token_id, sender, recipient, value, tx_hash)
        SELECT %s, %s, %s, * FROM unnest(%s::int[], %s::bigint[], %s::bytea[], %s::bytea[],
            %s::numeric[], %s::bytea[])
        ON CONFLICT (block_id, log_index) DO NOTHING
    """
    columns: list[list[Any]] = [
        [transfer.log_index for transfer in transfers],
        [tokens[transfer.contract].pk for transfer in transfers],
        [transfer.sender for transfer in transfers],
        [transfer.recipient for transfer in transfers],
        [Decimal(transfer.value) for transfer in transfers],
        [transfer.tx_hash for transfer in transfers],
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, [block.chain_id, block.pk, block.number, *columns])


def moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)


def _begin_span(chain: Chain, block: BlockData) -> None:
    """Start anew at ``block``: end what is known at the old tip, and have it read again."""
    if chain.head_number is None:
        seeding.seed_all(chain)
    elif block.number > chain.head_number + 1:
        hole = {"from_block": chain.head_number + 1, "to_block": block.number - 1}
        kind = BackfillJob.Kind.BLOCKS
        BackfillJob.objects.bulk_create(
            [BackfillJob(chain=chain, kind=kind, priority=15, **hole)], ignore_conflicts=True
        )
    end_everything(chain)
    ChainSpan.objects.create(chain=chain, from_block=block.number, to_block=block.number)


def end_everything(chain: Chain) -> None:
    """Nothing is known of the chain's cells above its tip; all of them are to be read again."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE balances_coverage AS c SET to_block = GREATEST(%s, c.from_block)
            FROM balances_token t
            WHERE t.id = c.token_id AND t.chain_id = %s AND c.to_block IS NULL
            """,
            [chain.head_number or 0, chain.pk],
        )
        cursor.execute(
            """
            UPDATE balances_balance AS b
            SET stale = true, version = nextval('balances_push_seq')
            FROM balances_token t
            WHERE t.id = b.token_id AND t.chain_id = %s AND NOT b.stale
            """,
            [chain.pk],
        )


def _move_head(chain: Chain, block: BlockData) -> None:
    chain.head_number, chain.head_hash = block.number, block.hash
    chain.head_ts, chain.head_seen_at = moment(block.ts), timezone.now()
    chain.save(update_fields=["head_number", "head_hash", "head_ts", "head_seen_at"])
