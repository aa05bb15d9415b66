"""What browsers are told of blocks and balances. Readers never hold up the follower.

Call inside the transaction that wrote the rows: nothing is said that is not committed. While Valkey
is away nothing is said at all; the rows are the truth, and the next message brings all up to date.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, Final

import structlog
from django.db import transaction
from django.utils import timezone
from redis.exceptions import RedisError

from balances.constants import balances_topic, chain_topic
from balances.models import Balance, Chain
from balances.services import chain_state
from balances.services.chain_state import ChainState, state_of
from foundation import valkey
from foundation.evm.blocks import BlockData, TxData
from live import publishing, topics
from live.messages import ALIVE, NORMAL, PRIORITY, TOPIC_STATE, Message

logger = structlog.get_logger(__name__)

HEAD: Final = "head"
# Transactions that a block's message names; the rest is read over HTTP.
TOLD_TXS: Final = 25


def publish_block(chain: Chain, block: BlockData) -> None:
    """Tell the chain's topic of its new head, once the transaction has committed."""
    data = {
        "number": block.number,
        "hash": _hex(block.hash),
        "ts": block.ts,
        "tx_count": len(block.txs),
        "transfer_count": len(block.transfers),
        "gas_used": block.gas_used,
        "gas_limit": block.gas_limit,
        "base_fee": None if block.base_fee is None else str(block.base_fee),
        "txs": [_tx(tx) for tx in reversed(block.txs[-TOLD_TXS:])],
    }
    meta = {
        "epoch": chain.epoch,
        "seq": block.number,
        "state": state_of(chain, timezone.now()).name,
        "block_number": block.number,
        "block_hash": _hex(block.hash),
    }
    message = Message(NORMAL, chain.epoch, block.number, HEAD, _json(data), _json(meta))
    transaction.on_commit(partial(_tell_chain, chain.pk, message))


def publish_reorg(chain: Chain, *, first: int, last: int) -> None:
    """Tell that blocks ``first`` to ``last`` are no longer part of the chain. It comes before any
    later block, and with a higher epoch."""
    data = {"number": first - 1, "hash": _hex(chain.head_hash), "reorg": True}
    meta = {
        "epoch": chain.epoch,
        "seq": first - 1,
        "state": "reorg",
        "reorg": {"from": first, "to": last},
    }
    message = Message(PRIORITY, chain.epoch, first - 1, HEAD, _json(data), _json(meta))
    transaction.on_commit(partial(_tell_chain, chain.pk, message))


def publish_state(chain: Chain) -> None:
    """The follower tells how it fares, once the transaction has committed."""
    data = state_data(state_of(chain, timezone.now()))
    number = chain.head_number or 0
    message = Message(PRIORITY, chain.epoch, number, TOPIC_STATE, _json(data), b"{}")
    transaction.on_commit(partial(_tell_chain, chain.pk, message))


def state_data(state: ChainState) -> dict[str, Any]:
    return {"state": state.name, "reason": state.reason, "number": state.chain.head_number}


def say_alive(chain_id: int, *, epoch: int, number: int) -> None:
    """The follower lives and its node answers. Raises nothing."""
    try:
        chain_state.sign(chain_id)
    except RedisError as problem:
        logger.warning("sign of life not given", chain=chain_id, error=repr(problem))
    _tell_chain(chain_id, Message(ALIVE, epoch, number, TOPIC_STATE, b"{}", b"{}"))


def publish_cells(balances: Collection[int]) -> None:
    """Tell those who look at their addresses of these balances, once the transaction committed."""
    if balances:
        transaction.on_commit(partial(_tell_cells, list(balances)))


def cell_message(balance: Balance) -> Message:
    """A balance with its ``address`` and ``token`` as pages hear it; amounts are strings."""
    token = balance.token
    place = bytes(token.contract).hex()
    data = {
        "value": None if balance.value is None else str(balance.value),
        "symbol": token.symbol,
        "name": token.name,
        "decimals": token.decimals,
        "status": token.status,
        "stale": balance.stale,
        "block_number": balance.block_number,
        "at": None if balance.at is None else balance.at.isoformat(),
    }
    meta = {
        "epoch": 1,
        "seq": balance.version,
        "state": "unknown" if balance.value is None else "stale" if balance.stale else "live",
        "chain": token.chain_id,
        "block_hash": None if balance.block_hash is None else _hex(balance.block_hash),
    }
    key = f"{token.chain_id}:{'0x' + place if place else 'native'}"
    return Message(NORMAL, 1, balance.version, key, _json(data), _json(meta))


def _tell_chain(chain_id: int, message: Message) -> None:
    topic = topics.make(chain_topic(chain_id))
    if topic is None:
        return
    try:
        publishing.publish(valkey.client(), topic, message)
    except RedisError as problem:
        logger.warning("chain not told", chain=chain_id, error=repr(problem))


def _tell_cells(balances: Iterable[int]) -> None:
    """Only those that somebody listens to: most addresses have no page open."""
    rows = Balance.objects.filter(pk__in=balances)
    addresses = {bytes(raw) for raw in rows.values_list("address__raw", flat=True)}
    client = valkey.client()
    try:
        listeners = client.pubsub_numsub(*(balances_topic(raw) for raw in addresses))
        heard = [bytes.fromhex(_text(name)[-40:]) for name, count in listeners if count]
        if not heard:
            return
        with client.pipeline(transaction=False) as pipeline:
            for row in rows.filter(address__raw__in=heard).select_related("address", "token"):
                # The snapshot of these topics is the table itself.
                pipeline.publish(balances_topic(bytes(row.address.raw)), cell_message(row).encode())
            pipeline.execute()
    except RedisError as problem:
        logger.warning("balances not told", error=repr(problem))


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _tx(tx: TxData) -> dict[str, Any]:
    return {
        "hash": _hex(tx.hash),
        "from": _hex(tx.sender),
        "to": None if tx.recipient is None else _hex(tx.recipient),
        "value": str(tx.value),
        "idx": tx.idx,
        # None where nobody asked for receipts.
        "ok": tx.ok,
    }


def _hex(raw: bytes | memoryview | None) -> str | None:
    return None if raw is None else f"0x{bytes(raw).hex()}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
