"""Other orders of the board than the one that its rows lie in: by name, and by the last action.

They are read from a copy alone, so what changed since it was made is missing for a minute. Without
a term a page is a range of places, which tables beside the copy number in each order, so that the
last page costs what the first one does. With one its hits are gathered first and sorted then, since
a walk that looks for a rare term goes through everything.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Order(StrEnum):
    """As addresses spell it; a minus is downwards. The first is the order on disk."""

    MOST_ACTIONS = "-actions"
    FEWEST_ACTIONS = "actions"
    NAME = "name"
    NAME_DOWN = "-name"
    LATEST = "-lastActive"
    LONGEST_QUIET = "lastActive"


CLAUSES: Final = {
    Order.FEWEST_ACTIONS: "rank DESC",
    Order.NAME: "name_lc, rank",
    Order.NAME_DOWN: "name_lc DESC, rank DESC",
    # Those that never did anything have been quiet for longest.
    Order.LATEST: "last_active_at DESC NULLS LAST, rank",
    Order.LONGEST_QUIET: "last_active_at NULLS FIRST, rank DESC",
}
# Of what a copy's tables of places are named by, which order they number.
NUMBERED: Final = {"name": CLAUSES[Order.NAME], "last": CLAUSES[Order.LATEST]}


class Places(NamedTuple):
    """Which numbers an order goes by, those of ``NUMBERED`` or the ranks, and whether upwards."""

    numbers: str
    upwards: bool


PLACES: Final = {
    Order.FEWEST_ACTIONS: Places("rank", upwards=False),
    Order.NAME: Places("name", upwards=True),
    Order.NAME_DOWN: Places("name", upwards=False),
    Order.LATEST: Places("last", upwards=True),
    Order.LONGEST_QUIET: Places("last", upwards=False),
}
MAKE: Final = (
    "DROP TABLE IF EXISTS {places}",
    "CREATE TABLE {places} AS"
    " SELECT (row_number() OVER (ORDER BY {by}))::int AS place, rank FROM {whole} ORDER BY {by}",
    "CREATE UNIQUE INDEX ON {places} (place)",
    "ANALYZE {places}",
)
BY_PLACE: Final = """
SELECT s.rank, s.id, s.name, s.actions, s.last_active_at, {slug}
FROM {places} p JOIN {board} s ON s.rank = p.rank
WHERE p.place > {above} AND p.place <= {upto} ORDER BY p.place
"""
HITS: Final = """
WITH hits AS MATERIALIZED (
    SELECT rank, id, name, actions, last_active_at, name_lc FROM {board} WHERE {match}
)
SELECT rank, id, name, actions, last_active_at, {slug} FROM (
    SELECT * FROM hits ORDER BY {by} LIMIT {rows} OFFSET {skip}
) s ORDER BY {by}
"""


def table_of(board: str, numbers: str) -> str:
    """The table that numbers the rows of a copy."""
    return f"{board}_by_{numbers}"


def bounds(places: Places, total: int, skip: int, rows: int) -> tuple[int, int]:
    """The numbers of a page among ``total``, as ``(above, upto)``; none behind the last."""
    if places.upwards:
        return min(skip, total), min(skip + rows, total)
    return max(total - skip - rows, 0), max(total - skip, 0)
