"""What the tables say now, as the messages that ``publishing`` would have pushed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from balances.models import Balance, Block, Chain, Tx
from balances.services import publishing
from balances.services.amounts import hash_text
from balances.services.chain_state import ChainState, states_of
from live.messages import NORMAL, TOPIC_STATE, Message


def of_chain(chain_id: int) -> Iterator[Message]:
    """The follower's state and the newest block; nothing of a chain that is not followed."""
    chain = Chain.objects.followed().filter(pk=chain_id).first()
    if chain is None:
        return
    (state,) = states_of([chain])
    number, data = chain.head_number or 0, publishing.state_data(state)
    yield Message(NORMAL, chain.epoch, number, TOPIC_STATE, _json(data), b"{}")
    block = Block.objects.of(chain).applied().first()
    if block is not None:
        newest = Tx.objects.newest_of(chain).filter(block=block)[: publishing.TOLD_TXS]
        yield _head(state, block, list(newest))


def of_address(raw: bytes) -> Iterator[Message]:
    """Every cell of the address, those that are still unknown too."""
    rows = Balance.objects.filter(address__raw=raw, token__chain__enabled=True)
    for row in rows.select_related("address", "token"):
        yield publishing.cell_message(row)


def _head(state: ChainState, block: Block, txs: Sequence[Tx]) -> Message:
    chain = state.chain
    data = {
        "number": block.number,
        "hash": hash_text(bytes(block.hash)),
        "ts": int(block.ts.timestamp()),
        "tx_count": block.tx_count,
        "transfer_count": block.transfer_count,
        "gas_used": block.gas_used,
        "gas_limit": block.gas_limit,
        "base_fee": None if block.base_fee is None else str(block.base_fee),
        "txs": [_tx(tx) for tx in txs],
    }
    meta = {
        "epoch": chain.epoch,
        "seq": block.number,
        "state": state.name,
        "block_number": block.number,
        "block_hash": data["hash"],
    }
    return Message(NORMAL, chain.epoch, block.number, publishing.HEAD, _json(data), _json(meta))


def _tx(tx: Tx) -> dict[str, Any]:
    return {
        "hash": hash_text(bytes(tx.hash)),
        "from": hash_text(bytes(tx.sender)),
        "to": None if tx.recipient is None else hash_text(bytes(tx.recipient)),
        "value": str(tx.value),
        "idx": tx.idx,
        "ok": tx.ok,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
