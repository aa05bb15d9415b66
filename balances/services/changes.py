"""How the balance of a cell came about: its changes one by one, and its steps for a chart."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from balances.models import Address, BalancePoint, Block, ChainSpan, Coverage, Token
from foundation import replica

# As many steps along the key as the chart has places, however many changes there were, and the
# first of each stretch that is known. The block of a step is looked up for it alone: joined as a
# whole, a long chain would be read from end to end.
STEPS = """
SELECT DISTINCT ON (point.block_number)
       point.block_number, point.value, point.kind, block.ts
FROM (
    SELECT generate_series(%(first)s::bigint + %(length)s - 1, %(last)s::bigint, %(length)s)
    UNION SELECT unnest(%(begins)s::bigint[])
) AS place(edge)
CROSS JOIN LATERAL (
    SELECT block_number, value, kind FROM balances_balancepoint
    WHERE chain_id = %(chain)s AND address_id = %(address)s AND token_id = %(token)s
      AND block_number <= edge
    ORDER BY block_number DESC LIMIT 1
) point
LEFT JOIN LATERAL (
    SELECT ts FROM balances_block
    WHERE chain_id = %(chain)s AND number = point.block_number LIMIT 1
) block ON true
ORDER BY point.block_number
"""
UNKNOWN: Final = "unknown"

# First and last block of a stretch without a hole.
Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """The balance of a cell from ``block_number`` on. ``delta`` is ``None`` for the first known,
    and where nobody knows what was before. ``known_to`` is the last block of which it is known,
    where nobody knows what came after; ``None`` where it held until the next change, or holds."""

    block_number: int
    block_hash: bytes
    at: datetime | None
    value: int
    delta: int | None
    known_to: int | None
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Newest first. ``before`` continues: give it to the next call. ``None`` at the end."""

    rows: list[Change]
    before: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """A place of a chart. ``at`` is ``None`` where the block's time is not known.

    ``value`` is ``None``, and ``kind`` ``unknown``, where nobody knows what came after this block.
    """

    block_number: int
    at: datetime | None
    value: int | None
    kind: str


@replica.reads
def changes(
    address: Address, token: Token, *, before: int | None = None, limit: int = 100
) -> Changes:
    """The changes of a cell, newest first, those below block ``before`` only. Five queries
    at most."""
    points = BalancePoint.objects.of(address, token)
    later = token.chain.head_number
    if before is not None:
        above = points.filter(block_number__gte=before).values_list("block_number", flat=True)
        # The block before the next change, however far above the page that is.
        later = next_change - 1 if (next_change := above.last()) is not None else later
        points = points.filter(block_number__lt=before)
    found = list(points[: limit + 1])
    shown = found[:limit]
    times = _times(token.chain_id, [point.block_number for point in shown])
    known = _known(address, token)
    rows = []
    for point, earlier in zip(shown, [*found[1:], None], strict=False):
        number = point.block_number
        told = earlier is not None and _known_to(known, earlier.block_number) >= number - 1
        until = _known_to(known, number)
        rows.append(
            Change(
                block_number=number,
                block_hash=bytes(point.block_hash),
                at=times.get(number),
                value=point.value,
                delta=point.value - earlier.value if earlier is not None and told else None,
                known_to=until if later is not None and until < later else None,
                source=point.source,
                kind=point.kind,
            )
        )
        later = number - 1
    return Changes(rows, shown[-1].block_number if len(found) > limit else None)


@replica.reads
def series(
    address: Address,
    token: Token,
    *,
    first: int | None = None,
    last: int | None = None,
    steps: int = 300,
) -> list[Step]:
    """The balance as a chart shows it, oldest first: each change, or the last one of each of
    ``steps`` stretches where there are more. Begins with the value that held at ``first``; where
    nobody knows what came after a step, one without a value follows it."""
    points = BalancePoint.objects.of(address, token)
    begin = first if first is not None else points.values_list("block_number", flat=True).last()
    end = last if last is not None else token.chain.head_number
    if begin is None or end is None or end < begin:
        return []
    length = max((end - begin + 1) // max(steps, 1), 1)
    known = [run for run in _known(address, token) if run[0] <= end]
    begins = [run[0] for run in known if run[0] >= begin]
    if len(begins) > steps:
        # More readings than places: those that fill no place are seen where an edge meets them.
        begins = [run[0] for run in known if run[1] - run[0] >= length and run[0] >= begin]
    facts = {
        "chain": token.chain_id,
        "address": address.pk,
        "token": token.pk,
        "first": begin,
        # The last stretch reaches beyond the end, so that the newest change is not cut off.
        "last": begin + ((end - begin) // length + 1) * length - 1,
        "length": length,
        "begins": begins,
    }
    with replica.cursor() as cursor:
        cursor.execute(STEPS, facts)
        rows = [row for row in cursor.fetchall() if row[0] <= end]
    found = [Step(n, ts and ts.astimezone(UTC), int(value), kind) for n, value, kind, ts in rows]
    return _with_gaps(found, known, end, token.chain_id)


def _with_gaps(steps: list[Step], known: list[Stretch], end: int, chain_id: int) -> list[Step]:
    following = [*(step.block_number - 1 for step in steps[1:]), end]
    reach = [_known_to(known, step.block_number) for step in steps]
    untold = {
        step.block_number: until
        for step, until, last in zip(steps, reach, following, strict=True)
        if until < last
    }
    times = _times(chain_id, list(untold.values())) if untold else {}
    found = []
    for step in steps:
        found.append(step)
        if step.block_number in untold:
            until = untold[step.block_number]
            # Rather too early than drawn on, where that block's time is not known.
            found.append(Step(until, times.get(until, step.at), None, UNKNOWN))
    return found


def _known(address: Address, token: Token) -> list[Stretch]:
    """Oldest first. What is still followed counts inside the follower's unbroken runs only."""
    covers = Coverage.objects.filter(address=address, token=token)
    runs = list(
        ChainSpan.objects.filter(chain=token.chain_id).values_list("from_block", "to_block")
    )
    told: list[Stretch] = []
    for first, last in covers.values_list("from_block", "to_block"):
        if last is not None:
            told.append((first, last))
        else:
            told += [(max(first, begin), end) for begin, end in runs if end >= first]
    joined: list[Stretch] = []
    for first, last in sorted(told):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return joined


def _known_to(known: list[Stretch], number: int) -> int:
    """The last block of which is known what is known of ``number``: at least that itself."""
    place = bisect_right(known, number, key=lambda run: run[0])
    return max(known[place - 1][1], number) if place else number


def _times(chain_id: int, numbers: list[int]) -> dict[int, datetime]:
    blocks = Block.objects.filter(chain=chain_id, number__in=numbers)
    return dict(blocks.values_list("number", "ts"))
