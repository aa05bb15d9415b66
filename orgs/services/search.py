"""Reading the board: any page, any term, and counts that stop at a thousand.

Rows come in disk order, which is rank order, so no statement here sorts its hits or names an order
inside its ``LIMIT``; three settings keep PostgreSQL from another order (docs/decisions/0091).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from django.db import OperationalError, ProgrammingError
from psycopg import sql
from psycopg.errors import QueryCanceled, UndefinedTable

from foundation import replica
from foundation.errors import InvalidInput, Unavailable
from orgs.services import board as boards
from orgs.services import board_orders
from orgs.services.board import BoardCopy, Period
from orgs.services.board_orders import Order

MAX_TERM: Final = 100
COUNTED: Final = 1000
# Rows beyond this many are read from the copy alone, without what changed since.
FRESH_ROWS: Final = 10_000
# Two new boards within one request would be more than one in a million.
TRIES: Final = 4
# Seconds after which somebody whose question took too long may ask again.
RETRY_AFTER: Final = 5

# Only these have an index entry whatever the database's idea of a letter is.
TRIGRAM: Final = re.compile(rf"[A-Za-z0-9{re.escape(boards.JOINED)}]{{3}}")
JOINS: Final = re.compile(rf"[{re.escape(boards.JOINED)}]")

SETTINGS: Final = """
SELECT set_config('synchronize_seqscans', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true),
    set_config('work_mem', '64MB', true), set_config('statement_timeout', '2s', true)
"""
SLUG: Final = "(SELECT o.slug FROM orgs_organisation o WHERE o.id = s.id)"
BY_RANK: Final = """
SELECT rank, id, name, actions, last_active_at, {slug}
FROM {board} s WHERE rank > {skip} AND rank <= {upto} ORDER BY rank
"""
# A walk over everything is written by the server: in Python a million rows take four times as long.
# It names no pages, since a million look-ups would take longer than the walk.
WALK: Final = """
SELECT count(*), coalesce(max(rank), 0), coalesce(string_agg('{{"rank":' || rank || ',"id":' || id
    || ',"name":' || to_json(name) || ',"actions":' || actions || ',"lastActiveAt":' || coalesce('"'
    || to_char(last_active_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"', 'null')
    || '}}', ','), '')
FROM (SELECT * FROM {board} WHERE rank > {skip} AND rank <= {upto} ORDER BY rank) s
"""
# The first hits in disk order, one question for the page and for how many there are.
BY_TERM: Final = """
WITH hits AS MATERIALIZED (SELECT * FROM {board} WHERE {match} LIMIT {most})
SELECT rank, id, name, actions, last_active_at, {slug}, (SELECT count(*) FROM hits)
FROM (SELECT * FROM hits ORDER BY rank LIMIT {rows} OFFSET {skip}) s ORDER BY rank
"""
# NOT IN, since a join may turn round and hand out the rows in another order.
FRESH: Final = """
WITH changed AS MATERIALIZED (
    SELECT id, name, actions, last_active_at FROM orgs_board_delta
    WHERE NOT gone AND {like} ORDER BY actions DESC, id LIMIT {most}
), hits AS MATERIALIZED (
    (SELECT rank, id, name, actions, last_active_at FROM {board} b WHERE {match}
        AND b.id NOT IN (SELECT d.id FROM orgs_board_delta d) LIMIT {most})
    UNION ALL
    (SELECT NULL, * FROM changed)
)
SELECT rank, id, name, actions, last_active_at, {slug}, (SELECT count(*) FROM hits) FROM (
    SELECT * FROM hits ORDER BY actions DESC, id LIMIT {rows} OFFSET {skip}
) s ORDER BY actions DESC, id
"""
COUNT_EXACTLY: Final = "SELECT count(*) FROM {board} WHERE {match}"
COUNT_FRESH: Final = """
SELECT (SELECT count(*) FROM {board} b WHERE {match}
    AND b.id NOT IN (SELECT d.id FROM orgs_board_delta d))
    + (SELECT count(*) FROM orgs_board_delta WHERE NOT gone AND {like})
"""
DELTA: Final = """
SELECT count(*), coalesce(sum(seq), 0)::text, count(*) FILTER (WHERE born AND NOT gone),
    count(*) FILTER (WHERE gone AND NOT born)
FROM (SELECT * FROM orgs_board_delta LIMIT %s) d
"""
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Row:
    """An organisation on the board. ``rank`` is ``None`` where only the next copy can tell."""

    rank: int | None
    id: int
    name: str
    actions: int
    last_active_at: datetime | None
    slug: str | None


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed since the newest copy: how many, a mark of their state, came and went."""

    size: int
    mark: str
    born: int
    gone: int


NOTHING: Final = Delta(0, "0", 0, 0)


@dataclass(frozen=True, slots=True)
class State:
    """All that an answer depends on besides its question."""

    board: BoardCopy
    delta: Delta

    @property
    def tag(self) -> str:
        return f"{self.board.period}-{self.board.version}-{self.delta.size}-{self.delta.mark}"

    def as_of(self, order: Order, upto: int) -> datetime | None:
        """From when the rows up to this place are; ``None`` where they hold every change."""
        if self.board.period is not Period.ALL:
            return self.board.built_at
        known = order is Order.MOST_ACTIONS and upto <= FRESH_ROWS
        known = known and self.delta.size <= boards.MAX_DELTA
        return None if known or not self.delta.size else self.board.built_at


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in rank order. ``total`` is exact unless ``capped``; then there are more than that."""

    rows: list[Row]
    total: int
    capped: bool
    more: bool
    state: State
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a walk: how many, the rank of the last, and JSON objects with commas between."""

    size: int
    last: int
    text: str


@replica.reads
def state(period: Period = Period.ALL) -> State:
    """What an answer given now would depend on: for entity tags, before any work is done."""
    return State(boards.newest(period), _delta(period))


@replica.reads
def page(
    *,
    skip: int,
    limit: int,
    term: str = "",
    period: Period = Period.ALL,
    exact: bool = True,
    order: Order = Order.MOST_ACTIONS,
) -> Page:
    """``limit`` organisations after the first ``skip``, those with most actions first.

    ``as_of`` says from when they are, where they do not hold every change. Where ``exact``,
    the first ``FRESH_ROWS`` rows hold every change that was committed, unless more
    than ``boards.MAX_DELTA`` organisations changed since the copy was made; other orders hold what
    the copy does. Raises ``InvalidInput`` for a term that cannot be searched for.
    """
    check_term(term)

    def read(now: State) -> Page:
        as_of = now.as_of(order, skip + limit)
        if order is not Order.MOST_ACTIONS:
            return replace(_ordered(now, term, order, skip, limit), as_of=as_of)
        fresh = exact and now.delta.size > 0 and as_of is None
        if term:
            rows, found = _hits(now.board, term, skip, limit + 1, fresh=fresh)
            total, capped = min(found, COUNTED), found > COUNTED
        else:
            rows = _places(now.board, skip, limit + 1, fresh=fresh)
            total, capped = _all(now), False
        return Page(rows[:limit], total, capped, len(rows) > limit, now, as_of)

    return _steadily(period, read)


@replica.reads
def count_exactly(term: str, period: Period = Period.ALL, order: Order = Order.MOST_ACTIONS) -> int:
    """How many names hold the term, however many, in what a first page in this order is read from.

    Up to a second for a common term.
    """
    check_term(term)

    def read(now: State) -> int:
        fresh = bool(now.delta.size) and now.as_of(order, 0) is None
        if not term:
            return _all(now) if fresh else now.board.total
        if fresh:
            words = {"match": _match(term), "like": _like(term)}
            return int(_select(COUNT_FRESH, board=now.board.table, **words)[0][0])
        return int(_select(COUNT_EXACTLY, board=now.board.table, match=_match(term))[0][0])

    return _steadily(period, read)


@replica.reads
def chunk(board: BoardCopy, *, after: int, rows: int) -> Chunk:
    """The rows of one copy after a rank; for walks that must not see two copies.

    Raises ``Unavailable`` when the copy has been dropped meanwhile.
    """
    try:
        with replica.atomic():
            upto = min(after + rows, boards.MAX_RANK)
            return Chunk(*_select(WALK, board=board.table, skip=after, upto=upto)[0])
    except ProgrammingError as problem:
        if isinstance(problem.__cause__, UndefinedTable):
            raise Unavailable("This board is gone; begin again.", code="board_gone") from problem
        raise


def check_term(term: str) -> None:
    """Raises ``InvalidInput`` for what no name can hold, or is too long to be typed."""
    if len(term) > MAX_TERM:
        raise _bad(f"At most {MAX_TERM} characters.")
    if "\x00" in term or any("\ud800" <= letter <= "\udfff" for letter in term):
        raise _bad("This is no text.")


def _bad(problem: str) -> InvalidInput:
    return InvalidInput(problem, fields={"search": [problem]})


def _steadily(period: Period, read: Callable[[State], Answer]) -> Answer:
    """``read`` a state that did not change under it: a copy and the delta belong together."""
    for _ in range(TRIES):
        try:
            with replica.atomic():
                _select(SETTINGS)
                before = state(period)
                answer = read(before)
                if boards.newest(period).version == before.board.version:
                    return answer
        except ProgrammingError as problem:
            if not isinstance(problem.__cause__, UndefinedTable):
                raise
        except OperationalError as problem:
            if not isinstance(problem.__cause__, QueryCanceled):
                raise
            reason = "This takes too long. Ask for fewer at once, or for more of the name."
            raise Unavailable(reason, code="too_slow", retry_after=RETRY_AFTER) from problem
    raise Unavailable("The board is being replaced.", code="board_changing", retry_after=1)


def _delta(period: Period) -> Delta:
    """Boards of a period have none: they are as of when they were built."""
    if period is not Period.ALL:
        return NOTHING
    with replica.cursor() as cursor:
        cursor.execute(DELTA, [boards.MAX_DELTA + 1])
        return Delta(*cursor.fetchone())


def _hits(
    board: BoardCopy, term: str, skip: int, rows: int, *, fresh: bool
) -> tuple[list[Row], int]:
    """A page's rows, and how many hits there are, counted to ``COUNTED + 1`` at least."""
    words = {"match": _match(term), "like": _like(term)} if fresh else {"match": _match(term)}
    most = max(skip + rows, COUNTED + 1)
    statement = FRESH if fresh else BY_TERM
    found = _select(statement, board=board.table, skip=skip, rows=rows, most=most, **words)
    if not found and skip:
        # Behind the last hit; the first tells how many there are.
        return [], _hits(board, term, 0, 1, fresh=fresh)[1]
    return [Row(*row[:-1]) for row in found], found[0][-1] if found else 0


def _places(board: BoardCopy, skip: int, rows: int, *, fresh: bool) -> list[Row]:
    """The rows at these places among all, where the place is the rank."""
    if not fresh:
        return _by_rank(board.table, skip, rows)
    everything = {"match": sql.SQL("true"), "like": sql.SQL("true")}
    most = skip + rows
    found = _select(FRESH, board=board.table, skip=skip, rows=rows, most=most, **everything)
    return [Row(place, *row[1:-1]) for place, row in enumerate(found, start=skip + 1)]


def _all(now: State) -> int:
    changed = now.delta.size <= boards.MAX_DELTA
    return now.board.total + (now.delta.born - now.delta.gone if changed else 0)


def _ordered(now: State, term: str, order: Order, skip: int, limit: int) -> Page:
    """A page of the copy alone, in another order than that of its rows."""
    if not term:
        rows = _in_places(now.board, order, skip, limit + 1)
        return Page(rows[:limit], now.board.total, False, len(rows) > limit, now)
    found = _select(
        board_orders.HITS,
        board=now.board.table,
        match=_match(term),
        by=sql.SQL(board_orders.CLAUSES[order]),
        rows=limit + 1,
        skip=skip,
    )
    rows = [Row(*row) for row in found]
    total = _hits(now.board, term, 0, 1, fresh=False)[1]
    return Page(rows[:limit], min(total, COUNTED), total > COUNTED, len(rows) > limit, now)


def _in_places(board: BoardCopy, order: Order, skip: int, rows: int) -> list[Row]:
    places = board_orders.PLACES[order]
    above, upto = board_orders.bounds(places, board.total, skip, rows)
    if above >= upto:
        return []
    if places.numbers == "rank":
        found = _by_rank(board.table, above, upto - above)
    else:
        numbered = sql.Identifier(board_orders.table_of(board.table, places.numbers))
        words = {"board": board.table, "places": numbered, "above": above, "upto": upto}
        found = [Row(*row) for row in _select(board_orders.BY_PLACE, **words)]
    return found if places.upwards else found[::-1]


def _by_rank(table: str, skip: int, rows: int) -> list[Row]:
    # Ranks are 32 bits wide, and pages beyond the last are empty.
    if skip >= boards.MAX_RANK:
        return []
    upto = min(skip + rows, boards.MAX_RANK)
    return [Row(*row) for row in _select(BY_RANK, board=table, skip=skip, upto=upto)]


def _match(term: str) -> sql.Composable:
    """The condition on ``name_lc`` of a copy, spelled so that one of its two indexes serves it."""
    lowered = sql.SQL("lower({})").format(sql.Literal(term))
    if TRIGRAM.search(term):
        joined = sql.SQL("{} LIKE translate(lower({}), {}, {})").format(
            boards.JOINED_NAME,
            sql.Literal(_pattern(term)),
            sql.Literal(boards.JOINED),
            sql.Literal(boards.LETTER * len(boards.JOINED)),
        )
        # What was joined may have been another of its kind.
        return sql.SQL("{} AND {}").format(joined, _like(term)) if JOINS.search(term) else joined
    if len(term) < 2:
        return _like(term)
    bigrams = sql.SQL("orgs_bigrams(name_lc) @> orgs_bigrams({})").format(lowered)
    # Two letters are one bigram; lower case of others may be longer than what was typed.
    if len(term) == 2 and term.isascii():
        return bigrams
    return sql.SQL("{} AND {}").format(bigrams, _like(term))


def _like(term: str) -> sql.Composable:
    """The condition where no index is: on what changed since the copy was made."""
    return sql.SQL("name_lc LIKE lower({})").format(sql.Literal(_pattern(term)))


def _pattern(term: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", term)
    return f"%{escaped}%"


def _select(statement: str, **words: Any) -> list[Any]:
    named = {name: _word(name, word) for name, word in words.items()}
    query = sql.SQL(statement).format(slug=sql.SQL(SLUG), **named)
    with replica.cursor() as cursor:
        cursor.execute(query)
        found: list[Any] = cursor.fetchall()
    return found


def _word(name: str, word: Any) -> sql.Composable:
    if name == "board":
        return sql.Identifier(word)
    return word if isinstance(word, sql.Composable) else sql.Literal(word)
