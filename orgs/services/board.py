"""Building the board: every organisation in the order of its actions, in numbered copies.

A copy is never changed, and its rows lie on disk in rank order, so that a search takes the first
hits it meets and stops without sorting (docs/decisions/0091). What changed since the newest copy of
all time stands in ``orgs_board_delta``, which triggers fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

import structlog
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg import sql

from foundation import replica
from orgs.services import board_orders

logger = structlog.get_logger(__name__)


class Period(StrEnum):
    """Whose actions a board counts: those of all time, or of the last days, today included."""

    ALL = "all"
    D7 = "d7"
    D30 = "d30"


DAYS: Final = {Period.D7: 7, Period.D30: 30}
# The last ranks of the partitions, so that reading the index ends early for a common term.
EDGES: Final = (20_000, 200_000, 2_000_000)
# Any constant that nobody else of the product uses.
LOCK: Final = 7_302
# A copy that a stream may still be reading is kept for so long.
KEPT_FOR: Final = timedelta(minutes=5)
# Beyond so many changes readers use the newest copy alone; a new copy is due well before.
MAX_DELTA: Final = 10_000
DUE_AT_CHANGES: Final = 5_000
DUE_AT_AGE: Final = timedelta(seconds=60)
# What was counted in a window of days ages by the clock as well.
PERIOD_DUE_AT_AGE: Final = timedelta(minutes=10)

RANKED_ALL: Final = """
SELECT (row_number() OVER (ORDER BY coalesce(s.actions, 0) DESC, o.id))::int AS rank, o.id,
    coalesce(s.actions, 0) AS actions, s.last_active_at, o.name, lower(o.name) AS name_lc
FROM orgs_organisation o LEFT JOIN orgs_stat s ON s.org_id = o.id
ORDER BY coalesce(s.actions, 0) DESC, o.id
"""
RANKED_PERIOD: Final = """
SELECT (row_number() OVER (ORDER BY d.actions DESC, o.id))::int AS rank, o.id,
    d.actions, s.last_active_at, o.name, lower(o.name) AS name_lc
FROM (SELECT org_id, sum(actions)::bigint AS actions FROM orgs_org_day
      WHERE day > {since} GROUP BY org_id) d
JOIN orgs_organisation o ON o.id = d.org_id
LEFT JOIN orgs_stat s ON s.org_id = o.id
WHERE d.actions > 0
ORDER BY d.actions DESC, o.id
"""
PARENT: Final = """
CREATE TABLE {board} (rank int, id bigint, actions bigint, last_active_at timestamptz,
    name text, name_lc text) PARTITION BY RANGE (rank)
"""
# CREATE TABLE AS keeps the order; INSERT puts short rows into the free space of earlier pages.
PART: Final = """
CREATE TABLE {part} AS SELECT * FROM {whole}
WHERE rank > {above} AND rank <= {upto} ORDER BY rank
"""
ATTACH: Final = "ALTER TABLE {board} ATTACH PARTITION {part} FOR VALUES FROM ({low}) TO ({high})"
# Trigrams end at what is no letter. As a letter, what stands between words is found with them;
# names are in lower case, so that none holds this one.
JOINED: Final = " .,&-'/()+"
LETTER: Final = "Q"
JOINED_NAME: Final = sql.SQL("translate(name_lc, {}, {})").format(
    sql.Literal(JOINED), sql.Literal(LETTER * len(JOINED))
)
INDEXES: Final = (
    "CREATE INDEX ON {board} (rank)",
    "CREATE INDEX ON {board} USING gin (({joined}) gin_trgm_ops)",
    "CREATE INDEX ON {board} USING gin (orgs_bigrams(name_lc))",
    # Autovacuum never analyses a partitioned parent.
    "ANALYZE {board}",
)
MAX_RANK: Final = 2**31 - 1

SAVE_DELTA: Final = (
    "CREATE TEMPORARY TABLE orgs_board_seen ON COMMIT DROP AS SELECT id, seq FROM orgs_board_delta"
)
# A row that changed again since has another number, and stays.
PURGE_DELTA: Final = """
DELETE FROM orgs_board_delta d USING orgs_board_seen s WHERE d.id = s.id AND d.seq = s.seq
"""
SETTLE_DELTA: Final = """
UPDATE orgs_board_delta d SET born = false FROM {board} b WHERE d.id = b.id AND d.born
"""


@dataclass(frozen=True, slots=True)
class BoardCopy:
    """One numbered copy, and when and how large it was made."""

    period: Period
    version: int
    built_at: datetime
    total: int

    @property
    def table(self) -> str:
        return table_of(self.period, self.version)


def table_of(period: Period, version: int) -> str:
    return f"orgs_board_{period}_g{version}"


def newest(period: Period) -> BoardCopy:
    """The copy to read. There always is one: a migration makes the first, empty."""
    found = _rows(
        "SELECT version, built_at, total FROM orgs_board_version WHERE period = %s"
        " ORDER BY version DESC LIMIT 1",
        [period],
    )
    return BoardCopy(period, *found[0])


def copy(period: Period, version: int) -> BoardCopy | None:
    """A copy by its number, or ``None`` when it is gone or never was."""
    found = _rows(
        "SELECT version, built_at, total FROM orgs_board_version"
        " WHERE period = %s AND version = %s",
        [period, version],
    )
    return BoardCopy(period, *found[0]) if found else None


def build_due(now: datetime) -> list[BoardCopy]:
    """Build the boards that are due; returns those that were built."""
    built = [build(period) for period in Period if is_due(period, now)]
    return [board for board in built if board is not None]


def is_due(period: Period, now: datetime) -> bool:
    """Whether enough has changed, or something has and the copy is old."""
    board = newest(period)
    age = now - board.built_at
    if not _is_numbered(board):
        return True
    if period is not Period.ALL:
        return board.version == 0 or age >= PERIOD_DUE_AT_AGE
    changed = _changes(DUE_AT_CHANGES)
    return changed >= DUE_AT_CHANGES or (changed > 0 and age >= DUE_AT_AGE)


def _is_numbered(board: BoardCopy) -> bool:
    """Whether it has its tables of places; a copy that an older release has made has none."""
    names = [name for name in _tables(board.table) if name != board.table]
    asked = "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s::text[]) name"
    return board.total == 0 or bool(_rows(asked, [names])[0][0])


def build(period: Period = Period.ALL) -> BoardCopy | None:
    """Make a new copy and let readers have it; ``None`` while somebody else is making one.

    1,000,000 organisations take some twenty seconds. Nobody is kept from reading, and whoever
    counts events waits only at the very end, while what the copy holds is taken out of the delta.
    """
    with transaction.atomic():
        if not _rows("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])[0][0]:
            return None
        version = newest(period).version + 1
        # Before the copy: what changes in between is in both, which does no harm.
        if period is Period.ALL:
            _execute("DROP TABLE IF EXISTS pg_temp.orgs_board_seen")
            _execute(SAVE_DELTA)
        board = table_of(period, version)
        _make_tables(period, board)
        built = _announce(period, version, board)
    logger.info("board built", board=board, total=built.total)
    drop_old(period, timezone.now())
    return built


def drop_old(period: Period, now: datetime) -> None:
    """Drop copies that nobody needs any more. One that is being read is dropped the next time."""
    current = newest(period).version
    old = _rows(
        "SELECT version FROM orgs_board_version"
        " WHERE period = %s AND version < %s AND built_at < %s ORDER BY version",
        [period, current - 1, now - KEPT_FOR],
    )
    for (version,) in old:
        try:
            with transaction.atomic():
                _execute("SET LOCAL lock_timeout = '500ms'")
                for table in _tables(table_of(period, version)):
                    _execute("DROP TABLE IF EXISTS {table}", table=table)
                _rows(
                    "DELETE FROM orgs_board_version WHERE period = %s AND version = %s RETURNING 1",
                    [period, version],
                )
        except OperationalError as problem:
            logger.info("an old board is still read", version=version, error=str(problem))


def _tables(board: str) -> list[str]:
    """A copy and what numbers its rows in other orders."""
    return [board, *(board_orders.table_of(board, numbers) for numbers in board_orders.NUMBERED)]


def _make_tables(period: Period, board: str) -> None:
    _execute("SET LOCAL max_parallel_workers_per_gather = 0")
    _execute("SET LOCAL maintenance_work_mem = '256MB'")
    whole = f"{board}_whole"
    _execute("CREATE TABLE {whole} AS " + _ranked(period), whole=whole)
    _execute(PARENT, board=board)
    edges = [0, *EDGES, MAX_RANK]
    for number, (above, upto) in enumerate(pairwise(edges)):
        part = f"{board}_{number}"
        bounds = {"above": sql.Literal(above), "upto": sql.Literal(upto)}
        _execute(PART, part=part, whole=whole, **bounds)
        _execute(ATTACH, board=board, part=part, **_bounds(above, upto))
    for numbers, by in board_orders.NUMBERED.items():
        named = {"places": board_orders.table_of(board, numbers), "whole": whole}
        for statement in board_orders.MAKE:
            _execute(statement, **named, by=sql.SQL(by))
    _execute("DROP TABLE {whole}", whole=whole)
    for statement in INDEXES:
        _execute(statement, board=board, joined=JOINED_NAME)


def _ranked(period: Period) -> str:
    if period is Period.ALL:
        return RANKED_ALL
    since = timezone.now().date() - timedelta(days=DAYS[period])
    return RANKED_PERIOD.format(since=f"date '{since:%Y-%m-%d}'")


def _bounds(above: int, upto: int) -> dict[str, sql.Composable]:
    low = sql.SQL("MINVALUE") if above == 0 else sql.Literal(above + 1)
    high = sql.SQL("MAXVALUE") if upto == MAX_RANK else sql.Literal(upto + 1)
    return {"low": low, "high": high}


def _announce(period: Period, version: int, board: str) -> BoardCopy:
    """Let readers have the copy, and take what it holds out of the delta, in one step."""
    # Counted before anybody has to wait for us.
    total: int = _rows(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(board)))[0][0]
    if period is Period.ALL:
        # Waiting behind a long transaction would make every writer wait behind us.
        _execute("SET LOCAL lock_timeout = '2s'")
        _execute("LOCK TABLE orgs_board_delta IN SHARE ROW EXCLUSIVE MODE")
        _execute(PURGE_DELTA)
        _execute(SETTLE_DELTA, board=board)
    made = _rows(
        "INSERT INTO orgs_board_version VALUES (%s, %s, clock_timestamp(), %s) RETURNING built_at",
        [period, version, total],
    )
    return BoardCopy(period, version, made[0][0], total)


def _changes(upto: int) -> int:
    counted: int = _rows(
        "SELECT count(*) FROM (SELECT 1 FROM orgs_board_delta LIMIT %s) d", [upto]
    )[0][0]
    return counted


def _execute(statement: str, **words: str | sql.Composable) -> None:
    named = {
        name: word if isinstance(word, sql.Composable) else sql.Identifier(word)
        for name, word in words.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**named))


def _rows(statement: Any, values: Sequence[Any] = ()) -> list[Any]:
    with replica.cursor() as cursor:
        cursor.execute(statement, values or None)
        found: list[Any] = cursor.fetchall()
    return found
