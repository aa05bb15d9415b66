"""Blocks from before an address was followed, kept for what it took part in.

They stand outside the follower's runs (``ChainSpan``): no list of blocks shows them, since that
would tell who is followed, and a hole that is filled takes their place. What stores is to be called
under the chain's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from balances.models import Block, Chain, Token
from balances.services.blocks import insert_transfers, insert_txs, moment
from foundation.evm.blocks import BlockData, Outline
from foundation.evm.logs import LoggedTransfer


def missing(chain: Chain, hashes: Iterable[bytes]) -> list[bytes]:
    """Those of ``hashes`` that no stored block has, in their order."""
    wanted = list(dict.fromkeys(hashes))
    stored = _stored(chain, wanted)
    return [name for name in wanted if name not in stored]


def keep_transfers(
    chain: Chain,
    outlines: Iterable[Outline],
    logged: Sequence[LoggedTransfer],
    tokens: Mapping[bytes, Token],
) -> None:
    """Store transfers with their blocks, those that are stored already too; safe to repeat.

    Where another block of that number is stored, nothing is.
    """
    _keep(chain, outlines)
    by_block: dict[bytes, list[LoggedTransfer]] = {}
    for found in logged:
        by_block.setdefault(found.block_hash, []).append(found)
    stored = _stored(chain, by_block)
    for name, of_block in by_block.items():
        if name in stored:
            insert_transfers(stored[name], [found.transfer for found in of_block], tokens)


def keep_txs(chain: Chain, block: BlockData, address: bytes) -> None:
    """Store the transactions of ``block`` that the address sent or received, with the block."""
    outline = Outline(
        number=block.number,
        hash=block.hash,
        parent_hash=block.parent_hash,
        ts=block.ts,
        gas_used=block.gas_used,
        gas_limit=block.gas_limit,
        base_fee=block.base_fee,
        miner=block.miner,
        tx_count=len(block.txs),
    )
    _keep(chain, [outline])
    row = _stored(chain, [block.hash]).get(block.hash)
    if row is not None:
        insert_txs(row, [tx for tx in block.txs if address in (tx.sender, tx.recipient)])


def _keep(chain: Chain, outlines: Iterable[Outline]) -> None:
    Block.objects.bulk_create(
        [
            Block(
                chain=chain,
                number=outline.number,
                hash=outline.hash,
                parent_hash=outline.parent_hash,
                ts=moment(outline.ts),
                tx_count=outline.tx_count,
                gas_used=outline.gas_used,
                gas_limit=outline.gas_limit,
                base_fee=outline.base_fee,
                miner=outline.miner,
            )
            for outline in outlines
        ],
        ignore_conflicts=True,
    )


def _stored(chain: Chain, hashes: Iterable[bytes]) -> dict[bytes, Block]:
    rows = Block.objects.filter(chain=chain, hash__in=list(hashes))
    return {bytes(row.hash): row for row in rows}
