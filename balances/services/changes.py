"""How the balance of a cell came about: its changes one by one, and its steps for a chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from balances.models import Address, BalancePoint, Block, Coverage, Token
from foundation import replica

# As many steps along the key as the chart has places, however many changes there were.
STEPS = """
SELECT DISTINCT ON (point.block_number)
       point.block_number, point.value, point.kind, block.ts
FROM generate_series(%(first)s::bigint + %(length)s - 1, %(last)s::bigint, %(length)s) AS edge
CROSS JOIN LATERAL (
    SELECT block_number, value, kind FROM balances_balancepoint
    WHERE chain_id = %(chain)s AND address_id = %(address)s AND token_id = %(token)s
      AND block_number <= edge
    ORDER BY block_number DESC LIMIT 1
) point
LEFT JOIN balances_block block
  ON block.chain_id = %(chain)s AND block.number = point.block_number
ORDER BY point.block_number
"""


@dataclass(frozen=True, slots=True)
class Change:
    """The balance of a cell from ``block_number`` on. ``delta`` is ``None`` for the first known,
    and where nobody knows what was before."""

    block_number: int
    block_hash: bytes
    at: datetime | None
    value: int
    delta: int | None
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Newest first. ``before`` continues: give it to the next call. ``None`` at the end."""

    rows: list[Change]
    before: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """A place of a chart. ``at`` is ``None`` where the block's time is not known."""

    block_number: int
    at: datetime | None
    value: int
    kind: str


@replica.reads
def changes(
    address: Address, token: Token, *, before: int | None = None, limit: int = 100
) -> Changes:
    """The changes of a cell, newest first, those below block ``before`` only. Three queries."""
    points = BalancePoint.objects.of(address, token)
    if before is not None:
        points = points.filter(block_number__lt=before)
    found = list(points[: limit + 1])
    shown = found[:limit]
    times = _times(token.chain_id, [point.block_number for point in shown])
    known = _known(address, token)
    rows = [
        Change(
            block_number=point.block_number,
            block_hash=bytes(point.block_hash),
            at=times.get(point.block_number),
            value=point.value,
            delta=point.value - earlier.value
            if earlier is not None and _is_told(known, earlier.block_number, point.block_number)
            else None,
            source=point.source,
            kind=point.kind,
        )
        for point, earlier in zip(shown, [*found[1:], None], strict=False)
    ]
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
    ``steps`` stretches where there are more. Begins with the value that held at ``first``."""
    points = BalancePoint.objects.of(address, token)
    begin = first if first is not None else points.values_list("block_number", flat=True).last()
    end = last if last is not None else token.chain.head_number
    if begin is None or end is None or end < begin:
        return []
    length = max((end - begin + 1) // max(steps, 1), 1)
    facts = {
        "chain": token.chain_id,
        "address": address.pk,
        "token": token.pk,
        "first": begin,
        # The last stretch reaches beyond the end, so that the newest change is not cut off.
        "last": begin + ((end - begin) // length + 1) * length - 1,
        "length": length,
    }
    with replica.cursor() as cursor:
        cursor.execute(STEPS, facts)
        rows = cursor.fetchall()
    return [
        Step(number, ts and ts.astimezone(UTC), int(value), kind)
        for number, value, kind, ts in rows
        if number <= end
    ]


def _known(address: Address, token: Token) -> list[tuple[int, int | None]]:
    """Stretches without a hole, oldest first; the end is ``None`` while it is followed."""
    runs = Coverage.objects.filter(address=address, token=token).order_by("from_block")
    joined: list[tuple[int, int | None]] = []
    for first, last in runs.values_list("from_block", "to_block"):
        begin, end = joined[-1] if joined else (0, -2)
        if end is not None and first > end + 1:
            joined.append((first, last))
        else:
            joined[-1] = begin, None if end is None or last is None else max(end, last)
    return joined


def _is_told(known: list[tuple[int, int | None]], first: int, last: int) -> bool:
    """Whether nothing between the two blocks is unknown."""
    return any(begin <= first and (end is None or end >= last) for begin, end in known)


def _times(chain_id: int, numbers: list[int]) -> dict[int, datetime]:
    blocks = Block.objects.filter(chain=chain_id, number__in=numbers)
    return dict(blocks.values_list("number", "ts"))
