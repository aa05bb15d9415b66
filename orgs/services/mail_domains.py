"""The mail domains that somebody told us of: pages of them, and all of them one after the other.

No index beside the key stands on the counters, since each would cost every event. By name a page is
read from the key; other orders and searches read the table once a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from foundation.errors import InvalidInput, Unavailable
from orgs.constants import CATCH_ALL_FROM, MAX_DOMAIN_OCTETS
from orgs.services import mail_trends
from orgs.services.domains import normalise
from orgs.services.mail_trends import Trend
from orgs.services.verdicts import Verdict, judge

COUNTED: Final = 1000
WALKED: Final = 2000
# A search of a rare part of a name reads the whole table, and other orders than by name do. Nobody
# waits for longer than this, whether for a page or for a part of a file.
PAGE_SECONDS: Final = 5.0
PART_SECONDS: Final = 60.0
RETRY_AFTER: Final = 30
LIMITED: Final = "SELECT set_config('statement_timeout', %s, true)"
# A number of events and the domain after which a page begins.
POSITION: Final = re.compile(r"(\d{1,18}) (\S{1,253})")


class Order(StrEnum):
    """By name upwards; by all events, or by bounces, the most first."""

    NAME = "name"
    EVENTS = "events"
    BOUNCED = "bounced"


FIGURES: Final = {Order.EVENTS: "delivered + bounced", Order.BOUNCED: "bounced"}
CONDITIONS: Final = {
    Verdict.NOT_CATCH_ALL: "bounced > 0",
    Verdict.CATCH_ALL: f"bounced = 0 AND delivered >= {CATCH_ALL_FROM}",
    Verdict.UNKNOWN: f"bounced = 0 AND delivered < {CATCH_ALL_FROM}",
}
# The limit inside keeps the planner from reading the whole history for some thousand rows.
PAGE: Final = """
SELECT d.domain, d.delivered, d.bounced, h.day, h.events
FROM (SELECT * FROM orgs_mail_domain WHERE {match} ORDER BY {order} LIMIT %(rows)s) d
LEFT JOIN LATERAL (
    SELECT day, events FROM orgs_mail_history WHERE domain = d.domain LIMIT 1
) h ON true ORDER BY {order}
"""
COUNT: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM orgs_mail_domain WHERE {match} LIMIT %(most)s) d"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A domain, its counters, what follows from them, and how much came lately."""

    domain: str
    delivered: int
    bounced: int
    verdict: Verdict
    trend: Trend


@dataclass(frozen=True, slots=True)
class Question:
    """Which domains, and in which order. ``term`` is a part of a name."""

    term: str = ""
    verdict: Verdict | None = None
    order: Order = Order.NAME


@dataclass(frozen=True, slots=True)
class Lines:
    """A page; ``after`` is where the next one begins, and empty on the last."""

    lines: list[Line]
    after: str


def page(
    asked: Question, *, after: str = "", rows: int, today: date, seconds: float | None = None
) -> Lines:
    """``rows`` domains after the position ``after``, in one query of at most so many
    seconds, or ``PAGE_SECONDS``.

    Raises ``InvalidInput`` for a position that no page ended with, and ``Unavailable`` for what
    takes too long.
    """
    match, values = _match(asked)
    begin, more = _after(asked.order, after)
    statement = PAGE.format(match=f"{match} AND {begin}", order=_order(asked.order))
    found = _rows(statement, {**values, **more, "rows": rows + 1}, seconds=seconds or PAGE_SECONDS)
    lines = [
        Line(domain, delivered, bounced, judge(delivered, bounced), trend)
        for domain, delivered, bounced, day, events in found[:rows]
        for trend in [mail_trends.trend(delivered + bounced, day, events, today=today)]
    ]
    return Lines(lines, _position(asked.order, lines[-1]) if len(found) > rows else "")


def count(asked: Question) -> tuple[int, bool]:
    """How many there are, and whether there are more than that: counting ends at a thousand.

    Raises ``Unavailable`` for what takes too long.
    """
    match, values = _match(asked)
    most = {**values, "most": COUNTED + 1}
    found: int = _rows(COUNT.format(match=match), most, seconds=PAGE_SECONDS)[0][0]
    return min(found, COUNTED), found > COUNTED


def check(asked: Question) -> None:
    """Raises ``InvalidInput`` for a term that no name can hold."""
    _match(asked)


def walk(asked: Question, *, today: date) -> Iterator[list[Line]]:
    """All of them by name, some thousands at a time; each part is read when it is asked for.

    By name whatever the order asked for: any other would read the whole table for each part.
    """
    asked, after, rows = replace(asked, order=Order.NAME), "", WALKED
    while True:
        part = page(asked, after=after, rows=rows, today=today, seconds=PART_SECONDS)
        yield part.lines
        after = part.after
        if not after:
            return


def _match(asked: Question) -> tuple[str, dict[str, Any]]:
    wanted = ["true" if asked.verdict is None else CONDITIONS[asked.verdict]]
    if not asked.term:
        return wanted[0], {}
    escaped = re.sub(r"([\\%_])", r"\\\1", _spelled(asked.term))
    return " AND ".join([*wanted, "domain LIKE %(like)s"]), {"like": f"%{escaped}%"}


def _spelled(term: str) -> str:
    """As names are stored, where the term is a name in letters beyond ASCII."""
    if term.isascii():
        if "\x00" in term:
            raise _bad("search", "This is no text.")
        return term.lower()
    try:
        return normalise(term)
    except InvalidInput as refused:
        raise _bad("search", "Search for letters beyond ASCII by the whole name.") from refused


def _order(order: Order) -> str:
    return f"{FIGURES[order]} DESC, domain" if order in FIGURES else "domain"


def _after(order: Order, position: str) -> tuple[str, dict[str, Any]]:
    if not position:
        return "true", {}
    found = POSITION.fullmatch(position)
    if found is None or len(position) > MAX_DOMAIN_OCTETS + 20 or "\x00" in position:
        raise _bad("after", "No page ended here.")
    values = {"figure": int(found[1]), "after": found[2]}
    if order not in FIGURES:
        return "domain > %(after)s", values
    figure = FIGURES[order]
    begin = f"({figure} < %(figure)s OR {figure} = %(figure)s AND domain > %(after)s)"
    return begin, values


def _position(order: Order, line: Line) -> str:
    figure = line.bounced if order is Order.BOUNCED else line.delivered + line.bounced
    return f"{figure} {line.domain}"


def _bad(field: str, problem: str) -> InvalidInput:
    return InvalidInput(problem, fields={field: [problem]})


def _rows(statement: str, values: dict[str, Any], *, seconds: float) -> list[Any]:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(LIMITED, [f"{seconds}s"])
            cursor.execute(statement, values)
            found: list[Any] = cursor.fetchall()
    except OperationalError as problem:
        if isinstance(problem.__cause__, QueryCanceled):
            reason = "This takes too long. Ask for fewer domains at once, or sort by name."
            raise Unavailable(reason, code="too_slow", retry_after=RETRY_AFTER) from problem
        raise
    return found
