"""Blocks with what they hold, each named by its hash and read in one exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from foundation.evm.failures import NodeError
from foundation.evm.node import Node
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import address, counted, data, digest, quantity, written

# keccak256("Transfer(address,address,uint256)"): ERC-20 has three topics, ERC-721 four.
TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_PADDING: Final = bytes(12)
# The end of the year 9999, in seconds since 1970: the last moment that a calendar knows.
_LATEST: Final = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Header:
    """``ts`` is in seconds since 1970."""

    number: int
    hash: bytes
    parent_hash: bytes
    ts: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A block without what it holds; the units of ``BlockData``."""

    number: int
    hash: bytes
    parent_hash: bytes
    ts: int
    gas_used: int
    gas_limit: int
    base_fee: int | None
    miner: bytes
    tx_count: int


@dataclass(frozen=True, slots=True)
class TxData:
    """Wei throughout. ``fee`` and ``ok`` are None where no receipt was read; ``recipient`` is None
    where a contract is made."""

    idx: int
    hash: bytes
    sender: bytes
    recipient: bytes | None
    value: int
    nonce: int
    fee: int | None
    ok: bool | None


@dataclass(frozen=True, slots=True)
class TransferData:
    """A transfer as an ERC-20 contract told it, true or not; ``value`` in the token's base unit."""

    log_index: int
    contract: bytes
    sender: bytes
    recipient: bytes
    value: int
    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class BlockData:
    """``ts`` is in seconds since 1970, ``base_fee`` in wei per gas; ``withdrawals`` are the
    addresses that got one."""

    number: int
    hash: bytes
    parent_hash: bytes
    ts: int
    gas_used: int
    gas_limit: int
    base_fee: int | None
    miner: bytes
    txs: list[TxData]
    transfers: list[TransferData]
    withdrawals: list[bytes]


def head(nodes: Nodes) -> Header:
    """The newest block. Raises ``NodeError``."""
    return header_of(nodes.call("eth_getBlockByNumber", "latest", False))


def fetch_header(nodes: Nodes, number: int) -> Header | None:
    """The canonical block of this number, None where there is none yet. Raises ``NodeError``."""
    found = nodes.call("eth_getBlockByNumber", hex(number), False)
    if found is None:
        return None
    header = header_of(found)
    if header.number != number:
        raise NodeError("bad_answer", "another block than asked for")
    return header


def fetch_outlines(nodes: Nodes, hashes: Sequence[bytes]) -> list[Outline]:
    """One for each hash, in order. Raises ``NodeError``, of kind ``orphan`` for an unknown one."""
    answers = nodes.batch([("eth_getBlockByHash", [written(name), False]) for name in hashes])
    return [_outline(answer, name) for answer, name in zip(answers, hashes, strict=True)]


def _outline(block: Any, name: bytes) -> Outline:
    if isinstance(block, NodeError):
        raise block
    if block is None:
        raise NodeError("orphan", "the block is not known")
    header = header_of(block)
    if header.hash != name:
        raise NodeError("bad_answer", "another block than asked for")
    try:
        base_fee = block.get("baseFeePerGas")
        return Outline(
            number=header.number,
            hash=header.hash,
            parent_hash=header.parent_hash,
            ts=header.ts,
            gas_used=counted(block["gasUsed"]),
            gas_limit=counted(block["gasLimit"]),
            base_fee=None if base_fee is None else counted(base_fee),
            miner=address(block["miner"]),
            tx_count=len(block["transactions"]),
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise NodeError("bad_answer", "no block") from problem


def fetch_block(nodes: Nodes, block_hash: bytes, *, receipts: bool = False) -> BlockData | None:
    """The block with its transactions and transfers; None if no endpoint has it: an orphan.

    ``receipts`` fills in fees and success, where the endpoint can. Raises ``NodeError``.
    """
    try:
        return nodes.attempt(lambda node: _read_block(node, block_hash, receipts))
    except NodeError as problem:
        if problem.kind == "orphan":
            return None
        raise


def _read_block(node: Node, block_hash: bytes, receipts: bool) -> BlockData:
    name = written(block_hash)
    calls: list[tuple[str, list[Any]]] = [
        ("eth_getBlockByHash", [name, True]),
        ("eth_getLogs", [{"blockHash": name, "topics": [TRANSFER]}]),
    ]
    if receipts:
        calls.append(("eth_getBlockReceipts", [name]))
    block, logs, *rest = node.batch(calls)
    if block is None:
        raise NodeError("orphan", "the block is not known")
    for answer in (block, logs):
        if isinstance(answer, NodeError):
            raise answer
    return block_of(block, logs, _receipts(rest), block_hash)


def _receipts(answers: Sequence[Any]) -> Mapping[bytes, Mapping[str, Any]]:
    """By hash of transaction; empty where they were not asked for or could not be had."""
    found = answers[0] if answers else None
    if not isinstance(found, list):
        return {}
    try:
        return {digest(receipt["transactionHash"]): receipt for receipt in found}
    except (KeyError, TypeError) as problem:
        raise NodeError("bad_answer", "no receipts") from problem


def header_of(block: Any) -> Header:
    """A block or header of JSON-RPC. Raises ``NodeError`` of kind ``bad_answer``."""
    try:
        header = Header(
            number=counted(block["number"]),
            hash=digest(block["hash"]),
            parent_hash=digest(block["parentHash"]),
            ts=counted(block["timestamp"]),
        )
    except (KeyError, TypeError) as problem:
        raise NodeError("bad_answer", "no block") from problem
    if header.ts > _LATEST:
        raise NodeError("bad_answer", "a time that never comes")
    return header


def block_of(
    block: Any, logs: Any, receipts: Mapping[bytes, Mapping[str, Any]], block_hash: bytes
) -> BlockData:
    """Raises ``NodeError`` of kind ``bad_answer`` for all that is not the block asked for."""
    header = header_of(block)
    if header.hash != block_hash:
        raise NodeError("bad_answer", "another block than asked for")
    try:
        base_fee = block.get("baseFeePerGas")
        return BlockData(
            number=header.number,
            hash=header.hash,
            parent_hash=header.parent_hash,
            ts=header.ts,
            gas_used=counted(block["gasUsed"]),
            gas_limit=counted(block["gasLimit"]),
            base_fee=None if base_fee is None else counted(base_fee),
            miner=address(block["miner"]),
            txs=[_tx(tx, receipts) for tx in block["transactions"]],
            transfers=_transfers(logs, block_hash),
            withdrawals=[address(entry["address"]) for entry in block.get("withdrawals") or ()],
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise NodeError("bad_answer", "no block") from problem


def _tx(tx: Any, receipts: Mapping[bytes, Mapping[str, Any]]) -> TxData:
    name = digest(tx["hash"])
    receipt = receipts.get(name)
    return TxData(
        idx=counted(tx["transactionIndex"]),
        hash=name,
        sender=address(tx["from"]),
        recipient=address(tx["to"]) if tx.get("to") else None,
        value=quantity(tx["value"]),
        nonce=counted(tx["nonce"]),
        fee=_fee(receipt) if receipt else None,
        # Receipts from before Byzantium have a state root in its place.
        ok=quantity(receipt["status"]) == 1 if receipt and receipt.get("status") else None,
    )


def _fee(receipt: Mapping[str, Any]) -> int | None:
    price = receipt.get("effectiveGasPrice")
    if price is None:
        return None
    fee = counted(receipt["gasUsed"]) * counted(price)
    # Rollups charge what their transaction costs on the chain below beside the gas.
    return fee + (counted(receipt["l1Fee"]) if receipt.get("l1Fee") else 0)


def _transfers(logs: Any, block_hash: bytes) -> list[TransferData]:
    if not isinstance(logs, list):
        raise NodeError("bad_answer", "no logs")
    found = []
    for log in logs:
        if digest(log["blockHash"]) != block_hash:
            raise NodeError("bad_answer", "logs of another block")
        transfer = transfer_of(log)
        if transfer is not None:
            found.append(transfer)
    return found


def transfer_of(log: Any) -> TransferData | None:
    """None for what only looks like a transfer of ERC-20. Raises ``NodeError``, and ``KeyError`` or
    ``TypeError`` for what is no log."""
    topics = log["topics"]
    if len(topics) != 3 or topics[0].lower() != TRANSFER or log.get("removed"):
        return None
    value = data(log["data"])
    sender, recipient = digest(topics[1]), digest(topics[2])
    if len(value) != 32 or sender[:12] != _PADDING or recipient[:12] != _PADDING:
        return None
    return TransferData(
        log_index=counted(log["logIndex"]),
        contract=address(log["address"]),
        sender=sender[12:],
        recipient=recipient[12:],
        value=int.from_bytes(value, "big"),
        tx_hash=digest(log["transactionHash"]),
    )


def touched_native(nodes: Nodes, block_hash: bytes) -> dict[bytes, int] | None:
    """The balance in wei of every address whose coin a transaction moved, calls between contracts
    included; None where no endpoint can say. What the chain itself pays out (withdrawals, rewards)
    may be absent. Raises ``NodeError``.
    """
    tracer = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    try:
        traces = nodes.call("debug_traceBlockByHash", written(block_hash), tracer, needs="trace")
        return _balances_after(traces)
    except NodeError as problem:
        if problem.kind in ("no_method", "no_archive", "refused", "too_large"):
            return None
        raise


def _balances_after(traces: Any) -> dict[bytes, int]:
    after: dict[bytes, int] = {}
    try:
        for trace in traces:
            if "result" not in trace and "error" in trace:
                # The node answers, and has no state to run this transaction on any more.
                raise NodeError("no_archive", "no traces of this block")
            before, later = trace["result"]["pre"], trace["result"]["post"]
            for name, account in before.items():
                # Absent afterwards: the account was destroyed.
                if name not in later and "balance" in account:
                    after[address(name)] = 0
            for name, account in later.items():
                if "balance" in account:
                    after[address(name)] = quantity(account["balance"])
    except (KeyError, TypeError, AttributeError) as problem:
        raise NodeError("bad_answer", "no traces") from problem
    return after
