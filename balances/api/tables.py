"""Rows as the objects of a document. Amounts are strings: JSON numbers lose digits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from balances.models import Block, Chain, Token, Tx, Watch
from balances.services import upkeep
from balances.services.activity import Movement
from balances.services.amounts import address_text, hash_text, in_units
from balances.services.chain_state import ChainState
from balances.services.changes import Change
from balances.services.holdings import Holding
from balances.services.valuation import Totals


def iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def chain_object(state: ChainState, now: datetime) -> dict[str, Any]:
    chain = state.chain
    return {
        "id": chain.pk,
        "name": chain.name,
        "symbol": chain.native_symbol,
        "decimals": chain.native_decimals,
        "state": state.name,
        "reason": state.reason or None,
        "head_number": chain.head_number,
        "head_hash": None if chain.head_hash is None else hash_text(bytes(chain.head_hash)),
        "head_at": iso(chain.head_ts),
        "head_age_seconds": upkeep.head_age(chain, now),
        "seen_at": iso(chain.head_seen_at),
        "finalized_number": chain.finalized_number,
        "epoch": chain.epoch,
        "block_time_ms": chain.block_time_ms,
        "explorer": chain.explorer_url or None,
    }


def block_object(block: Block) -> dict[str, Any]:
    return {
        "number": block.number,
        "hash": hash_text(bytes(block.hash)),
        "parent_hash": hash_text(bytes(block.parent_hash)),
        "at": iso(block.ts),
        "tx_count": block.tx_count,
        "transfer_count": block.transfer_count,
        "gas_used": str(block.gas_used),
        "gas_limit": str(block.gas_limit),
        "base_fee": None if block.base_fee is None else str(block.base_fee),
        "miner": address_text(bytes(block.miner)),
    }


def tx_object(tx: Tx, chain: Chain) -> dict[str, Any]:
    return {
        "hash": hash_text(bytes(tx.hash)),
        "block_number": tx.block_number,
        "index": tx.idx,
        "at": iso(tx.block.ts),
        "from": address_text(bytes(tx.sender)),
        "to": None if tx.recipient is None else address_text(bytes(tx.recipient)),
        "value": str(tx.value),
        "amount": in_units(tx.value, chain.native_decimals),
        "nonce": tx.nonce,
        "fee": None if tx.fee is None else str(tx.fee),
        "ok": tx.ok,
    }


def token_object(token: Token) -> dict[str, Any]:
    return {
        "contract": None if token.is_native else address_text(bytes(token.contract)),
        "symbol": token.symbol,
        "name": token.name,
        "decimals": token.decimals,
        "status": token.status,
    }


def movement_object(movement: Movement, raw: bytes) -> dict[str, Any]:
    return {
        "chain": movement.chain.pk,
        "block_number": movement.block_number,
        "at": iso(movement.at),
        "transaction": hash_text(movement.tx_hash),
        "direction": movement.direction_of(raw),
        "from": address_text(movement.sender),
        "to": None if movement.recipient is None else address_text(movement.recipient),
        "token": token_object(movement.token),
        "value": str(movement.value),
        "amount": in_units(movement.value, movement.token.decimals),
        "ok": movement.ok,
    }


def holding_object(holding: Holding, now: datetime) -> dict[str, Any]:
    age = None if holding.at is None else max((now - holding.at).total_seconds(), 0.0)
    return {
        "key": holding.key,
        "chain": holding.token.chain_id,
        "token": token_object(holding.token),
        "value": None if holding.value is None else str(holding.value),
        "amount": holding.amount,
        "state": str(holding.state),
        "reason": None if holding.reason is None else str(holding.reason),
        "source": holding.source,
        "block_number": holding.block_number,
        "block_hash": None if holding.block_hash is None else hash_text(holding.block_hash),
        "at": iso(holding.at),
        "age_seconds": age,
        "usd": None if holding.usd is None else f"{holding.usd:f}",
        "usd_at": iso(holding.usd_at),
        "usd_reason": None if holding.usd_reason is None else str(holding.usd_reason),
    }


def totals_object(totals: Totals) -> dict[str, Any]:
    return {
        "usd": f"{totals.usd:f}",
        "complete": totals.complete,
        "unpriced": [token_object(token) for token in totals.unpriced],
        "loading": totals.loading,
        "unknown": totals.unknown,
        "spam": totals.spam,
        "oldest_price_at": iso(totals.oldest),
        "shares": [
            {"symbol": share.symbol, "usd": f"{share.usd:f}", "percent": f"{share.percent:f}"}
            for share in totals.shares
        ],
    }


def change_object(change: Change, token: Token) -> dict[str, Any]:
    return {
        "block_number": change.block_number,
        "block_hash": hash_text(change.block_hash),
        "at": iso(change.at),
        "value": str(change.value),
        "amount": in_units(change.value, token.decimals),
        "delta": None if change.delta is None else str(change.delta),
        "known_to": change.known_to,
        "source": change.source,
        "kind": change.kind,
    }


def watch_object(watch: Watch) -> dict[str, Any]:
    return {
        "id": watch.pk,
        "address": address_text(bytes(watch.address.raw)),
        "chain": watch.chain_id,
        "label": watch.label,
        "group": watch.group,
        "colour": watch.colour,
        "hidden": watch.hidden,
        "proven": watch.proven,
        "added_at": iso(watch.added_at),
    }


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row for a spreadsheet: the token's facts become columns of their own."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= {f"{name}_{inner}": fact for inner, fact in value.items()}
        else:
            found[name] = value
    return found
