"""Other orders of the board than the one that its rows lie in: by name, and by the last action.

They are read from a copy alone, so what changed since it was made is missing for a minute. Without
a term an index is walked; with one its hits are gathered first and sorted then, since a walk that
looks for a rare term goes through everything.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


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
# Each serves an order and its reverse; that of the rank is there for pages.
INDEXES: Final = (
    "CREATE INDEX ON {board} (name_lc, rank)",
    "CREATE INDEX ON {board} (last_active_at DESC NULLS LAST, rank)",
)
ALL: Final = """
SELECT rank, id, name, actions, last_active_at, {slug} FROM (
    SELECT * FROM {board} ORDER BY {by} LIMIT {rows} OFFSET {skip}
) s ORDER BY {by}
"""
HITS: Final = """
WITH hits AS MATERIALIZED (
    SELECT rank, id, name, actions, last_active_at, name_lc FROM {board} WHERE {match}
)
SELECT rank, id, name, actions, last_active_at, {slug} FROM (
    SELECT * FROM hits ORDER BY {by} LIMIT {rows} OFFSET {skip}
) s ORDER BY {by}
"""
