"""Blocks that the chain took back, and what they had told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from django.db import connection, transaction

from balances.models import BackfillJob, Block, Chain, ChainSpan, ReorgEvent
from balances.services import publishing
from balances.services.blocks import end_everything

logger = structlog.get_logger(__name__)


class TipMoved(Exception):
    """The tables are not what the decision to roll back was based on. Nothing was done."""


def roll_back(
    chain_id: int, *, tip_hash: bytes, fork_number: int, new_hashes: Sequence[bytes] = ()
) -> ReorgEvent:
    """Take back every block above ``fork_number``, in one transaction.

    Balances return to their latest remaining point; those without one become unknown and are read
    again. ``tip_hash`` is the tip that the caller saw. Raises ``TipMoved``.
    """
    with transaction.atomic():
        chain = Chain.objects.select_for_update(no_key=True).get(pk=chain_id)
        if chain.head_number is None or bytes(chain.head_hash or b"") != tip_hash:
            raise TipMoved(f"{chain} stands elsewhere")
        last, hashes = chain.head_number, _hashes_above(chain, fork_number)
        _delete_above(chain, fork_number)
        changed = _restore(chain, fork_number)
        _cut(chain, fork_number)
        _move_back(chain, fork_number)
        event = ReorgEvent.objects.create(
            chain=chain,
            depth=last - fork_number,
            fork_number=fork_number,
            old_hashes=hashes,
            new_hashes=[f"0x{found.hex()}" for found in new_hashes],
        )
        publishing.publish_reorg(chain, first=fork_number + 1, last=last)
        publishing.publish_cells(changed)
    logger.warning("blocks taken back", chain=chain_id, depth=event.depth, fork=fork_number)
    return event


def forget(chain_id: int) -> None:
    """Delete all that is known of a chain's blocks and balances: it was made anew.

    Addresses, watches, tokens and endpoints stay; the next block begins as on a new chain.
    """
    with transaction.atomic():
        chain = Chain.objects.select_for_update(no_key=True).get(pk=chain_id)
        tokens = "IN (SELECT id FROM balances_token WHERE chain_id = %s)"
        for table in ("balance", "coverage"):
            _run(f"DELETE FROM balances_{table} WHERE token_id {tokens}", [chain_id])  # noqa: S608
        for table in ("balancepoint", "transfer", "tx", "block", "chainspan", "backfilljob"):
            _run(f"DELETE FROM balances_{table} WHERE chain_id = %s", [chain_id])  # noqa: S608
        chain.genesis_hash = chain.head_number = chain.head_hash = None
        chain.head_ts = chain.head_seen_at = chain.finalized_number = None
        chain.epoch += 1
        chain.save()
    logger.warning("everything of the chain forgotten", chain=chain_id)


def _hashes_above(chain: Chain, number: int) -> list[str]:
    found = Block.objects.filter(chain=chain, number__gt=number).order_by("number")
    return [f"0x{bytes(value).hex()}" for value in found.values_list("hash", flat=True)]


def _delete_above(chain: Chain, number: int) -> None:
    """By the indexes on (chain, block number); a cascade would ask for each block."""
    where = [chain.pk, number]
    for table in ("transfer", "tx", "balancepoint"):
        sql = f"DELETE FROM balances_{table} WHERE chain_id = %s AND block_number > %s"  # noqa: S608
        _run(sql, where)
    _run("DELETE FROM balances_block WHERE chain_id = %s AND number > %s", where)


def _restore(chain: Chain, number: int) -> list[int]:
    """Every balance that was read above ``number``; return their ids."""
    sql = """
        WITH orphaned AS (
            SELECT b.id, b.address_id, b.token_id
            FROM balances_token t JOIN balances_balance b ON b.token_id = t.id
            WHERE t.chain_id = %s AND b.block_number > %s
        )
        UPDATE balances_balance AS b SET
            value = p.value, block_number = p.block_number, block_hash = p.block_hash,
            at = CASE WHEN p.value IS NULL THEN NULL ELSE COALESCE(p.ts, b.at) END,
            stale = p.value IS NULL OR NOT p.covered, version = nextval('balances_push_seq')
        FROM orphaned o
        LEFT JOIN LATERAL (
            SELECT q.value, q.block_number, q.block_hash, k.ts, EXISTS (
                SELECT 1 FROM balances_coverage c
                WHERE c.address_id = o.address_id AND c.token_id = o.token_id
                  AND c.from_block <= %s AND (c.to_block IS NULL OR c.to_block > %s)
            ) AS covered
            FROM balances_balancepoint q
            LEFT JOIN balances_block k ON k.chain_id = q.chain_id AND k.number = q.block_number
            WHERE q.chain_id = %s AND q.address_id = o.address_id AND q.token_id = o.token_id
            ORDER BY q.block_number DESC LIMIT 1
        ) p ON true
        WHERE b.id = o.id
        RETURNING b.id
    """
    parameters = [chain.pk, number, number, number, chain.pk]
    return [int(pk) for (pk,) in _run(sql, parameters)]


def _cut(chain: Chain, number: int) -> None:
    """What was known up to the fork is known there still, and goes on with the new blocks."""
    mine = "token_id IN (SELECT id FROM balances_token WHERE chain_id = %s)"
    _run(
        f"DELETE FROM balances_coverage WHERE {mine} AND from_block > %s",  # noqa: S608
        [chain.pk, number],
    )
    _run(
        f"UPDATE balances_coverage SET to_block = NULL WHERE {mine} AND to_block > %s",  # noqa: S608
        [chain.pk, number],
    )
    _run(
        "DELETE FROM balances_chainspan WHERE chain_id = %s AND from_block > %s",
        [chain.pk, number],
    )
    _run(
        "UPDATE balances_chainspan SET to_block = %s WHERE chain_id = %s AND to_block > %s",
        [number, chain.pk, number],
    )
    BackfillJob.objects.filter(
        chain=chain, kind=BackfillJob.Kind.BLOCKS, state="waiting", from_block__gt=number
    ).delete()


def _move_back(chain: Chain, number: int) -> None:
    """The tip is the highest block that is left of those that were applied, not of those that were
    kept for an address's past. A hole may lie between it and the fork."""
    span = ChainSpan.objects.filter(chain=chain).order_by("-to_block").first()
    tip = Block.objects.filter(chain=chain, number=span.to_block).first() if span else None
    chain.epoch += 1
    chain.head_number = tip.number if tip else None
    chain.head_hash = bytes(tip.hash) if tip else None
    chain.head_ts = tip.ts if tip else None
    chain.save(update_fields=["epoch", "head_number", "head_hash", "head_ts"])
    if tip is None or tip.number < number:
        end_everything(chain)


def _run(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []
