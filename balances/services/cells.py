"""Readings on their way into the tables. A cell is one address's holding of one token.

``store`` runs inside a transaction that holds the chain's lock, so no two write a chain's cells at
once. A point is written where a value changed, or where a run of trustworthy points begins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection
from django.utils import timezone

from balances.models import BalancePoint
from foundation.evm import multicall
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes

# A cell of which no node ever said a value is given up after so many questions, which takes about
# ten minutes; one whose value is known is asked again, at last once in so many seconds.
MOST_TRIES: Final = 10
LONGEST_PAUSE: Final = 3600

EXACT, SAMPLED = BalancePoint.Kind.EXACT, BalancePoint.Kind.SAMPLED


class Cell(NamedTuple):
    address_id: int
    token_id: int
    raw: bytes
    # Empty for the native coin.
    contract: bytes
    # Its transfers do not tell every change.
    unreliable: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """``value`` is ``None`` where the node did not say: unknown is never zero. ``traced``: its
    block's traces were read, so that nothing moved the coin there unseen."""

    cell: Cell
    value: int | None
    source: str = BalancePoint.Source.MULTICALL
    traced: bool = False

    @property
    def kind(self) -> str:
        """Without a trace, contracts move the native coin unseen; tokens announce transfers."""
        if self.cell.unreliable:
            return SAMPLED
        return EXACT if self.cell.contract or self.traced else SAMPLED


@dataclass(frozen=True, slots=True)
class Place:
    """The canonical block that readings are true for."""

    chain_id: int
    number: int
    hash: bytes


class Known(NamedTuple):
    """What is stored of a cell at a place. ``covered``: the points there tell everything;
    ``complete``: and nothing cancelled out unseen."""

    covered: bool
    complete: bool
    point: int | None
    next_covered: int | None


def read(
    nodes: Nodes,
    block_hash: bytes,
    cells: Sequence[Cell],
    *,
    multicall_address: bytes | None,
    number: int | None = None,
    archive: bool = False,
    source: str = BalancePoint.Source.MULTICALL,
) -> list[Reading]:
    """Ask for ``cells`` at one block. Raises ``NodeError``, except where no node has the state.

    A node without the state of that block gives readings without a value, as a failing contract
    does.
    """
    if not cells:
        return []
    asked = [(cell.raw, cell.contract) for cell in cells]
    try:
        values = multicall.balances(
            nodes,
            block_hash,
            asked,
            multicall=multicall_address,
            block_number=number,
            archive=archive,
        )
    except NodeError as problem:
        if problem.kind != "no_archive":
            raise
        values = [None] * len(cells)
    return [Reading(cell, value, source) for cell, value in zip(cells, values, strict=True)]


def store(place: Place, readings: Collection[Reading], *, touched: bool) -> list[int]:
    """Write points, balances and coverage; return the ids of the balances that changed.

    ``touched``: the block itself moved these cells, so a reading that failed ends what is known of
    them. Otherwise a failure only leaves the cell to be asked again.
    """
    good = [reading for reading in readings if reading.value is not None]
    failed = [reading.cell for reading in readings if reading.value is None]
    changed = _store_values(place, good) if good else []
    if failed:
        if touched:
            _end_coverage(place, failed)
        changed += _mark_unread(place, failed) if touched else _note_failure(failed)
    return changed


def store_points(place: Place, readings: Iterable[Reading]) -> None:
    """Write readings of the past, where nothing newer may be touched. Failed ones are left out."""
    good = [reading for reading in readings if reading.value is not None]
    known = _known(place, [reading.cell for reading in good])
    new = [r for r, facts in zip(good, known, strict=True) if _is_news(r, facts)]
    _insert_points(place, new)


def _store_values(place: Place, readings: Sequence[Reading]) -> list[int]:
    known = _known(place, [reading.cell for reading in readings])
    pairs = list(zip(readings, known, strict=True))
    surer = [reading.cell for reading, facts in pairs if _is_surer(reading, facts)]
    if surer:
        _end_coverage(place, surer)
    begun = [pair for pair in pairs if not pair[1].covered or _is_surer(*pair)]
    news = [pair[0] for pair in pairs if _is_news(*pair) or _is_surer(*pair)]
    _insert_points(place, news)
    _cover(place, begun)
    return _upsert(place, readings)


def _is_news(reading: Reading, facts: Known) -> bool:
    return not facts.covered or facts.point != reading.value


def _is_surer(reading: Reading, facts: Known) -> bool:
    """From here on every change is told, which was not so before: a run of its own."""
    return facts.covered and not facts.complete and reading.kind == EXACT


def _known(place: Place, cells: Sequence[Cell]) -> list[Known]:
    """In the order of ``cells``."""
    sql = """
        SELECT inside.from_block IS NOT NULL, coalesce(inside.complete, false), point.value,
               later.from_block
        FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS cell(address, token, place)
        LEFT JOIN LATERAL (
            SELECT from_block, complete FROM balances_coverage
            WHERE address_id = cell.address AND token_id = cell.token AND from_block <= %s
              AND (to_block IS NULL OR to_block > %s)
            ORDER BY complete DESC LIMIT 1
        ) inside ON true
        LEFT JOIN LATERAL (
            SELECT from_block FROM balances_coverage
            WHERE address_id = cell.address AND token_id = cell.token AND from_block > %s
              AND to_block IS NULL LIMIT 1
        ) later ON true
        LEFT JOIN LATERAL (
            SELECT value FROM balances_balancepoint
            WHERE chain_id = %s AND address_id = cell.address AND token_id = cell.token
              AND block_number <= %s ORDER BY block_number DESC LIMIT 1
        ) point ON true
        ORDER BY cell.place
    """
    at = place.number
    rows = _run(sql, [*_columns(cells), at, at, at, place.chain_id, at])
    return [
        Known(covered, complete, None if value is None else int(value), later)
        for covered, complete, value, later in rows
    ]


def _insert_points(place: Place, readings: Sequence[Reading]) -> None:
    if not readings:
        return
    sql = """
        INSERT INTO balances_balancepoint
            (chain_id, address_id, token_id, block_number, block_hash, value, source, kind)
        SELECT %s, new.address, new.token, %s, %s, new.value, new.source, new.kind
        FROM unnest(%s::bigint[], %s::bigint[], %s::numeric[], %s::text[], %s::text[])
            AS new(address, token, value, source, kind)
        ON CONFLICT (chain_id, address_id, token_id, block_number) DO NOTHING
    """
    cells = [reading.cell for reading in readings]
    _run(
        sql,
        [
            place.chain_id,
            place.number,
            place.hash,
            *_columns(cells),
            _amounts(readings),
            [str(reading.source) for reading in readings],
            [str(reading.kind) for reading in readings],
        ],
    )


def _cover(place: Place, pairs: Sequence[tuple[Reading, Known]]) -> None:
    """Begin a run of points here, or let one that began a little later begin here.

    Every block in between was applied while the address was watched, so it had nothing to tell.
    """
    later = [reading.cell for reading, facts in pairs if facts.next_covered is not None]
    if later:
        sql = """
            UPDATE balances_coverage AS c SET from_block = %s
            FROM unnest(%s::bigint[], %s::bigint[]) AS cell(address, token)
            WHERE c.address_id = cell.address AND c.token_id = cell.token
              AND c.from_block > %s AND c.to_block IS NULL
        """
        _run(sql, [place.number, *_columns(later), place.number])
    new = [reading for reading, facts in pairs if facts.next_covered is None]
    if new:
        sql = """
            INSERT INTO balances_coverage (address_id, token_id, from_block, complete)
            SELECT new.address, new.token, %s, new.complete
            FROM unnest(%s::bigint[], %s::bigint[], %s::bool[]) AS new(address, token, complete)
            ON CONFLICT (address_id, token_id, from_block)
            DO UPDATE SET to_block = NULL, complete = excluded.complete
        """
        cells = [reading.cell for reading in new]
        _run(sql, [place.number, *_columns(cells), [r.kind == EXACT for r in new]])


def _upsert(place: Place, readings: Sequence[Reading]) -> list[int]:
    """Never backwards. A balance changed if its value did, or if it had been in doubt."""
    sql = """
        WITH new AS (
            SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::numeric[])
                AS new(address_id, token_id, value)
        ), before AS (
            SELECT b.id, b.value, b.stale
            FROM balances_balance b JOIN new USING (address_id, token_id)
        ), written AS (
            INSERT INTO balances_balance AS b
                (address_id, token_id, value, block_number, block_hash, at, stale, version)
            SELECT address_id, token_id, value, %s, %s, %s, false, nextval('balances_push_seq')
            FROM new
            ON CONFLICT (address_id, token_id) DO UPDATE SET
                value = excluded.value, block_number = excluded.block_number,
                block_hash = excluded.block_hash, at = excluded.at, stale = false,
                tries = 0, next_try = NULL, unread_block = NULL,
                version = CASE WHEN b.value IS DISTINCT FROM excluded.value OR b.stale
                    THEN excluded.version ELSE b.version END
            WHERE b.block_number IS NULL OR b.block_number <= excluded.block_number
            RETURNING b.id, b.value
        )
        SELECT written.id FROM written LEFT JOIN before USING (id)
        WHERE before.id IS NULL OR before.stale OR before.value IS DISTINCT FROM written.value
    """
    cells = [reading.cell for reading in readings]
    now: datetime = timezone.now()
    parameters = [*_columns(cells), _amounts(readings), place.number, place.hash, now]
    return [int(pk) for (pk,) in _run(sql, parameters)]


def _end_coverage(place: Place, cells: Sequence[Cell]) -> None:
    """Nobody knows what these cells hold from this block on."""
    cut = """
        UPDATE balances_coverage AS c SET to_block = %s
        FROM unnest(%s::bigint[], %s::bigint[]) AS cell(address, token)
        WHERE c.address_id = cell.address AND c.token_id = cell.token
          AND c.from_block < %s AND (c.to_block IS NULL OR c.to_block >= %s)
    """
    at = place.number
    _run(cut, [at - 1, *_columns(cells), at, at])


def end_complete_coins(place: Place) -> None:
    """Nobody saw what moved the coin inside this block: runs that tell every change end below it,
    and their cells are read again."""
    sql = """
        WITH cut AS (
            UPDATE balances_coverage AS c SET to_block = GREATEST(%s, c.from_block)
            FROM balances_token t
            WHERE t.id = c.token_id AND t.chain_id = %s AND t.contract = '' AND c.complete
              AND c.to_block IS NULL AND c.from_block < %s
            RETURNING c.address_id, c.token_id
        )
        UPDATE balances_balance AS b SET stale = true, version = nextval('balances_push_seq')
        FROM cut WHERE b.address_id = cut.address_id AND b.token_id = cut.token_id AND NOT b.stale
    """
    _run(sql, [place.number - 1, place.chain_id, place.number])


def _mark_unread(place: Place, cells: Sequence[Cell]) -> list[int]:
    """Keep the old value with its age; it will be asked for again. Return what was not in doubt."""
    sql = """
        WITH doubted AS (
            SELECT b.id FROM balances_balance b
            JOIN unnest(%(addresses)s::bigint[], %(tokens)s::bigint[]) AS cell(address, token)
              ON b.address_id = cell.address AND b.token_id = cell.token
            WHERE b.stale
        ), written AS (
            INSERT INTO balances_balance AS b (address_id, token_id, stale, unread_block, version)
            SELECT cell.address, cell.token, true, %(at)s, nextval('balances_push_seq')
            FROM unnest(%(addresses)s::bigint[], %(tokens)s::bigint[]) AS cell(address, token)
            ON CONFLICT (address_id, token_id) DO UPDATE SET
                stale = true, unread_block = excluded.unread_block, next_try = NULL,
                version = CASE WHEN b.stale THEN b.version ELSE excluded.version END
            RETURNING b.id
        )
        SELECT id FROM written WHERE id NOT IN (SELECT id FROM doubted)
    """
    addresses, tokens = _columns(cells)
    facts = {"addresses": addresses, "tokens": tokens, "at": place.number}
    return [int(pk) for (pk,) in _run(sql, facts)]


def moved_since(place: Place, cells: Sequence[Cell]) -> set[tuple[int, int]]:
    """The keys (address, token) of cells that a later block moved to nobody knows what."""
    sql = """
        SELECT b.address_id, b.token_id FROM balances_balance b
        JOIN unnest(%s::bigint[], %s::bigint[]) AS cell(address, token)
          ON b.address_id = cell.address AND b.token_id = cell.token
        WHERE b.unread_block > %s
    """
    return {(row[0], row[1]) for row in _run(sql, [*_columns(cells), place.number])}


def _note_failure(cells: Sequence[Cell]) -> list[int]:
    """Ask again, ever more seldom. Who never said anything in ``MOST_TRIES`` is not asked any more:
    there is nothing to be had. Return what changed by it."""
    sql = """
        WITH before AS (
            SELECT b.id, b.stale FROM balances_balance b
            JOIN unnest(%(addresses)s::bigint[], %(tokens)s::bigint[]) AS cell(address, token)
              ON b.address_id = cell.address AND b.token_id = cell.token
        ), written AS (
            INSERT INTO balances_balance AS b
                (address_id, token_id, stale, tries, next_try, version)
            SELECT cell.address, cell.token, true, 1, now() + interval '1 second',
                   nextval('balances_push_seq')
            FROM unnest(%(addresses)s::bigint[], %(tokens)s::bigint[]) AS cell(address, token)
            ON CONFLICT (address_id, token_id) DO UPDATE SET
                tries = LEAST(b.tries + 1, 1000),
                next_try = now() + LEAST(2 ^ LEAST(b.tries, 12), %(longest)s) * interval '1 second',
                stale = b.value IS NOT NULL OR b.tries + 1 < %(most)s,
                version = excluded.version
            RETURNING b.id, b.stale
        )
        SELECT written.id FROM written LEFT JOIN before USING (id)
        WHERE before.stale IS DISTINCT FROM written.stale
    """
    addresses, tokens = _columns(cells)
    limits = {"most": MOST_TRIES, "longest": LONGEST_PAUSE}
    return [int(pk) for (pk,) in _run(sql, {"addresses": addresses, "tokens": tokens, **limits})]


def _columns(cells: Sequence[Cell]) -> tuple[list[int], list[int]]:
    return [cell.address_id for cell in cells], [cell.token_id for cell in cells]


def _amounts(readings: Sequence[Reading]) -> list[Decimal]:
    return [Decimal(reading.value) for reading in readings if reading.value is not None]


def _run(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []
