"""The past of an address's tokens, told by their transfers backwards from values that were read.

No value between two known ones is guessed: what does not add up, because a balance would have been
below zero or the first transfer does not begin at nothing, stays unknown.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import accumulate

from django.db import transaction
from django.db.models import F, Min, Q, QuerySet

from balances.constants import HISTORY_KEPT, NATIVE
from balances.models import (
    Address,
    BackfillJob,
    Balance,
    BalancePoint,
    Chain,
    ChainSpan,
    Coverage,
    Token,
    Transfer,
)
from balances.services import cells, keepsakes, seeding
from balances.services.cells import Cell, Place, Reading
from balances.services.past import hash_of
from balances.services.tokens import tokens_of
from foundation.evm import blocks as wire
from foundation.evm import logs
from foundation.evm.logs import LoggedTransfer
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import quantity, written

TOLD = BalancePoint.Source.TRANSFER
# Blocks whose transfers are asked for at a time, and seconds between looks at what else is due.
WINDOW = 2_000
SLICE = 5.0
# Transfers that are kept of the time before an address was followed.
MOST_TRANSFERS = 10_000
SIDES = ("sender", "recipient")
# Block to what it added, by contract.
Moves = dict[bytes, dict[int, int]]


def look_back(job: BackfillJob, nodes: Nodes) -> bool:
    """Follow the address's transfers a slice further back, and keep them; true when ``from_block``
    is reached, or a block before which the address did nothing.

    Raises ``NoTip`` while the address itself was not read yet, and ``NodeError``.
    """
    assert job.address is not None
    lowest = job.from_block or 0
    until = time.monotonic() + SLICE
    while time.monotonic() < until:
        top = _top(job)
        if top < lowest:
            return True
        if _is_spent(job):
            job.error = "busy_address"
            return True
        first = max(top - WINDOW + 1, lowest)
        _look_back(job, job.address, first, top, nodes)
        job.cursor = first
        if _began_after(job.chain, job.address, first, nodes):
            return True
    return job.cursor == lowest


def followed_since(chain: Chain, addresses: Collection[int]) -> dict[int, tuple[int, int | None]]:
    """For each address the block from which on all were applied with it, and the same of the coin
    if that was read."""
    coin = Min("from_block", filter=Q(token__contract=NATIVE))
    runs = _runs().filter(address__in=addresses, token__chain=chain).order_by()
    rows = runs.values("address").annotate(since=Min("from_block"), coin=coin)
    return {row["address"]: (row["since"], row["coin"]) for row in rows}


def kept_since(chain: Chain, head: int) -> int:
    """The first block whose transfers are worth keeping."""
    return max(head - int(HISTORY_KEPT.total_seconds() * 1000) // chain.block_time_ms, 0)


def _is_spent(job: BackfillJob) -> bool:
    """An exchange's address has more transfers than anybody reads."""
    assert job.address is not None
    raw = bytes(job.address.raw)
    older = Transfer.objects.filter(chain=job.chain, block_number__lte=job.to_block)
    sides = (older.filter(**{side: raw})[:MOST_TRANSFERS] for side in SIDES)
    return sum(rows.count() for rows in sides) >= MOST_TRANSFERS


def _began_after(chain: Chain, address: Address, first: int, nodes: Nodes) -> bool:
    """Whether the address held nothing at ``first`` and had sent nothing: an earlier transfer would
    have left something. Only a node that keeps old states can say so."""
    runs = _runs().filter(address=address, token__chain=chain).exclude(token__contract=NATIVE)
    lowest = runs.values("token").annotate(lowest=Min("from_block"))
    if lowest.exclude(lowest=first).exists():
        return False
    held = BalancePoint.objects.filter(chain=chain, address=address, block_number=first)
    if held.exclude(token__contract=NATIVE).exclude(value=0).exists():
        return False
    asked = [written(bytes(address.raw)), hex(first)]
    try:
        answers = nodes.batch(
            [("eth_getBalance", asked), ("eth_getTransactionCount", asked)],
            needs=f"archive:{first}",
        )
    except NodeError:
        return False
    return not any(isinstance(answer, NodeError) or quantity(answer) for answer in answers)


def _top(job: BackfillJob) -> int:
    """The highest block that is still to be looked at."""
    if job.cursor is not None:
        return job.cursor - 1
    if job.to_block is None:
        raise seeding.NoTip("the address was not read yet")
    return job.to_block


def _look_back(job: BackfillJob, address: Address, first: int, top: int, nodes: Nodes) -> None:
    chain, raw = job.chain, bytes(address.raw)
    assert job.to_block is not None
    since = job.to_block + 1
    # A value is of the end of its block: to know what was before the lowest one, its own block's
    # transfers are needed too.
    logged = list(logs.transfer_logs(nodes, raw, first, top + 1))
    moves, hashes = _moves(logged, raw)
    known = tokens_of(chain, moves.keys())
    old = [found for found in logged if found.block_number <= top]
    outlines = wire.fetch_outlines(
        nodes, keepsakes.missing(chain, [found.block_hash for found in old])
    )
    _read_new(chain, address, known.values(), nodes)
    if first not in hashes:
        hashes[first] = hash_of(nodes, first)
    with transaction.atomic():
        Chain.objects.select_for_update(no_key=True).get(pk=chain.pk)
        keepsakes.keep_transfers(chain, outlines, old, known)
        for run in _lowest_runs(chain, address, top, since):
            contract = bytes(run.token.contract)
            cell = Cell(address.pk, run.token_id, raw, contract, run.token.bugged_events)
            told = dict(moves.get(contract, {}))
            if run.from_block > top + 1:
                told[run.from_block] = _stored_move(cell, run.from_block)
            _lengthen(chain, cell, run, first, told, hashes)


def _moves(logged: Iterable[LoggedTransfer], raw: bytes) -> tuple[Moves, dict[int, bytes]]:
    """And the hashes of the blocks with transfers, by number."""
    moves: Moves = defaultdict(lambda: defaultdict(int))
    hashes = {}
    for found in logged:
        transfer = found.transfer
        sign = (transfer.recipient == raw) - (transfer.sender == raw)
        moves[transfer.contract][found.block_number] += transfer.value * sign
        hashes[found.block_number] = found.block_hash
    return moves, hashes


def _stored_move(cell: Cell, number: int) -> int:
    """What the block, one of ours, added to the cell."""
    in_block = Transfer.objects.filter(token=cell.token_id, block_number=number)
    came = in_block.filter(recipient=cell.raw).values_list("value", flat=True)
    went = in_block.filter(sender=cell.raw).values_list("value", flat=True)
    return sum(map(int, came)) - sum(map(int, went))


def _read_new(chain: Chain, address: Address, tokens: Iterable[Token], nodes: Nodes) -> None:
    """Tokens whose balance was never read are read now, so that there is something to go by."""
    wanted = {token.pk: token for token in tokens}
    known = Balance.objects.filter(address=address, token__in=wanted, value__isnull=False)
    for pk in known.values_list("token", flat=True):
        wanted.pop(pk)
    raw = bytes(address.raw)
    new = [
        Cell(address.pk, token.pk, raw, bytes(token.contract), token.bugged_events)
        for token in wanted.values()
    ]
    if new:
        seeding.read_at_tip(chain.pk, nodes, new)


def _runs() -> QuerySet[Coverage]:
    """Without single readings, which say nothing of the blocks around them."""
    return Coverage.objects.filter(Q(to_block=None) | Q(to_block__gt=F("from_block")))


def _lowest_runs(chain: Chain, address: Address, top: int, since: int) -> list[Coverage]:
    """For each token the lowest run of points, if nothing can have happened between it and ``top``.

    A token that was first read later than its address had not moved before: its transfers are kept
    from the address's first block on, unless blocks are missing.
    """
    rows = (
        _runs()
        .filter(address=address, token__chain=chain)
        .exclude(token__contract=NATIVE)
        .exclude(token__bugged_events=True)
        .select_related("token")
        .order_by("token", "from_block")
        .distinct("token")
    )
    raw = bytes(address.raw)
    above = [run for run in rows if run.from_block > top]
    return [run for run in above if _is_quiet(chain, raw, run, top + 1, since)]


def _is_quiet(chain: Chain, raw: bytes, run: Coverage, first: int, since: int) -> bool:
    if run.from_block == first:
        return True
    took_part = Q(sender=raw) | Q(recipient=raw)
    between = Q(block_number__gte=first, block_number__lt=run.from_block)
    if Transfer.objects.filter(took_part, between, token=run.token_id).exists():
        return False
    spans = ChainSpan.objects.filter(chain=chain, from_block__lte=since)
    return spans.filter(to_block__gte=run.from_block).exists()


def _lengthen(
    chain: Chain,
    cell: Cell,
    run: Coverage,
    first: int,
    moves: dict[int, int],
    hashes: dict[int, bytes],
) -> None:
    """Let what is known begin at ``first``, if its transfers add up.

    A run that is still open counts inside the follower's blocks only, so what lies before it is a
    run of its own.
    """
    of_cell = {"address": cell.address_id, "token": cell.token_id}
    points = BalancePoint.objects.filter(chain=chain, **of_cell, block_number__lte=run.from_block)
    start = int(points.order_by("-block_number").values_list("value", flat=True)[0])
    blocks = sorted((number for number, change in moves.items() if change), reverse=True)
    # What was held after each of these blocks, and at last before all of them.
    values = list(accumulate((-moves[number] for number in blocks), initial=start))
    if min(values) < 0 or (first == 0 and values[-1]):
        Token.objects.filter(pk=cell.token_id).update(bugged_events=True)
        return
    # Single readings in between are part of the run from now on.
    Coverage.objects.filter(
        **of_cell, from_block__gte=first, from_block__lt=run.from_block
    ).delete()
    began = run.from_block
    if run.to_block is None:
        if first < began:
            Coverage.objects.create(
                **{f"{name}_id": pk for name, pk in of_cell.items()},
                from_block=first,
                to_block=began - 1,
                complete=run.complete,
            )
    else:
        run.from_block = first
        run.save(update_fields=["from_block"])
    told = dict(zip(blocks, values, strict=False))
    # A run begins with a point.
    told.setdefault(first, values[-1])
    # The run's old beginning has its point.
    told.pop(began, None)
    for number, value in sorted(told.items()):
        place = Place(chain.pk, number, hashes[number])
        cells.store_points(place, [Reading(cell, value, TOLD)])
