"""Blocks that the follower left out when it was far behind, filled in from the oldest on."""

from __future__ import annotations

import time

from django.db import connection, transaction

from balances.constants import KEPT_BLOCKS
from balances.models import BackfillJob, Block, Chain, ChainSpan
from balances.services import cells
from balances.services.blocks import insert, match, moved_inside, read
from balances.services.cells import Place
from balances.sources import can_trace
from foundation.evm import blocks as wire
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes

# Seconds of work between two looks at what else is due.
SLICE = 5.0
VALUES, TRACES = "values", "traces"


def fill(job: BackfillJob, nodes: Nodes) -> bool:
    """Fill a slice of the hole ``from_block`` to ``to_block``; true when it is filled.

    Where the node has no state so old, blocks and transfers are stored without balances, and what
    they were stays unknown; where it cannot trace, a coin that was known exactly is not known
    through the hole. Raises ``NodeError``.
    """
    traced = can_trace(job.chain)
    first, last = job.from_block or 0, job.to_block or 0
    number = first if job.cursor is None else job.cursor + 1
    until = time.monotonic() + SLICE
    while number <= last and time.monotonic() < until:
        _fill_one(job, number, nodes, traced=traced)
        number += 1
    if number <= last:
        return False
    if job.lacks != VALUES:
        _join(job.chain, first, last, traced=not job.lacks)
    return True


def _fill_one(job: BackfillJob, number: int, nodes: Nodes, *, traced: bool) -> None:
    """Store one block below the tip, and with it how far the job is and what it lacks."""
    chain_id = job.chain_id
    spans = ChainSpan.objects.filter(chain=chain_id, from_block__lte=number, to_block__gte=number)
    if spans.exists():
        job.cursor = number
        return
    header = wire.fetch_header(nodes, number)
    block = None if header is None else wire.fetch_block(nodes, header.hash, receipts=True)
    if block is None:
        raise NodeError("orphan", "the block is not there")
    chain = Chain.objects.get(pk=chain_id)
    inside = moved_inside(chain, block, nodes) if traced else None
    matched = match(chain, block, inside or {})
    readings = read(chain, block, matched, inside, nodes, archive=True)
    lacks = VALUES if any(reading.value is None for reading in readings) else ""
    lacks = lacks or ("" if inside is not None else TRACES)
    newest = (chain.head_number or 0) - number < KEPT_BLOCKS
    with transaction.atomic():
        chain = Chain.objects.select_for_update(no_key=True).get(pk=chain_id)
        before = Block.objects.filter(chain=chain, number=number - 1).first()
        if before is not None and bytes(before.hash) != block.parent_hash:
            raise NodeError("orphan", "the block does not follow ours")
        # What was kept of it for an address's past is in the whole block, too.
        Block.objects.filter(chain=chain, number=number).delete()
        insert(
            chain, block, matched.tokens, only=None if newest else {c.raw for c in matched.cells}
        )
        cells.store_points(Place(chain_id, number, block.hash), readings)
        _extend_span(chain, number)
        job.cursor, job.lacks = (
            number,
            VALUES if VALUES in (lacks, job.lacks) else lacks or job.lacks,
        )
        job.save(update_fields=["cursor", "lacks"])


def _extend_span(chain: Chain, number: int) -> None:
    """Lengthen the run that ends just below, and join it with the one that begins just above."""
    spans = ChainSpan.objects.filter(chain=chain)
    below, above = spans.filter(to_block=number - 1).first(), spans.filter(from_block=number + 1)
    after = above.first()
    if below is None:
        below = ChainSpan(chain=chain, from_block=number)
    below.to_block = number
    if after is not None:
        below.to_block = after.to_block
        after.delete()
    below.save()


def _join(chain: Chain, first: int, last: int, *, traced: bool) -> None:
    """Nothing was missed: what was known before the hole is known through it, up to now. Of the
    coin only a trace tells that, unless it was not known for sure before.

    A cell that was read again after the hole without having been touched in between had the same
    value there all the time.
    """
    sql = """
        WITH pair AS (
            SELECT DISTINCT ON (a.id) a.id AS older, b.id AS newer, b.to_block
            FROM balances_coverage a
            JOIN balances_token t ON t.id = a.token_id AND t.chain_id = %s
            JOIN balances_coverage b ON b.address_id = a.address_id AND b.token_id = a.token_id
             AND b.from_block > a.to_block
            WHERE a.to_block = %s AND a.complete = b.complete
              AND (%s OR t.contract <> '' OR NOT a.complete)
              AND b.from_block > %s AND b.from_block > a.from_block
            ORDER BY a.id, b.from_block
        ), gone AS (
            DELETE FROM balances_coverage c USING pair WHERE c.id = pair.newer
        )
        UPDATE balances_coverage c SET to_block = pair.to_block FROM pair WHERE c.id = pair.older
    """
    with transaction.atomic(), connection.cursor() as cursor:
        Chain.objects.select_for_update(no_key=True).get(pk=chain.pk)
        cursor.execute(sql, [chain.pk, first - 1, traced, last])
