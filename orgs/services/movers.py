"""Which organisations grow most and which go quiet: counted now and then, and kept to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

KEY: Final = "orgs:movers"
SHOWN: Final = 20
WINDOW: Final = 7
# Less than this was nothing to lose.
QUIET_FROM: Final = 10

COMPARED: Final = """
SELECT o.slug, o.name, d.now, d.before FROM (
    SELECT org_id, coalesce(sum(actions) FILTER (WHERE day > %(middle)s), 0)::bigint AS now,
        coalesce(sum(actions) FILTER (WHERE day <= %(middle)s), 0)::bigint AS before
    FROM orgs_org_day WHERE day > %(first)s AND day <= %(last)s GROUP BY org_id
) d JOIN orgs_organisation o ON o.id = d.org_id
"""
GROWING: Final = (
    COMPARED + "WHERE d.now > d.before ORDER BY d.now - d.before DESC, o.id LIMIT %(shown)s"
)
QUIET: Final = (
    COMPARED
    + "WHERE d.before >= %(enough)s AND d.now * 4 <= d.before ORDER BY d.before DESC, o.id"
    + " LIMIT %(shown)s"
)


@dataclass(frozen=True, slots=True)
class Mover:
    """Actions of the last seven days, and of the seven before."""

    slug: str
    name: str
    now: int
    before: int

    @property
    def change(self) -> int:
        return self.now - self.before


@dataclass(frozen=True, slots=True)
class Movers:
    """``quiet`` have lost three quarters of their actions or more."""

    counted_at: datetime
    growing: list[Mover]
    quiet: list[Mover]


def count(today: date) -> Movers:
    """Compare the seven days that end with ``today`` with the seven before, and keep the answer."""
    asked = {
        "first": today - timedelta(days=2 * WINDOW),
        "middle": today - timedelta(days=WINDOW),
        "last": today,
        "shown": SHOWN,
        "enough": QUIET_FROM,
    }
    movers = Movers(timezone.now(), _movers(GROWING, asked), _movers(QUIET, asked))
    cache.set(KEY, movers, timeout=None)
    return movers


def kept() -> Movers | None:
    """What was counted last, or ``None`` before the first count."""
    found: Movers | None = cache.get(KEY)
    return found


def _movers(statement: str, asked: dict[str, Any]) -> list[Mover]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return [Mover(*row) for row in cursor.fetchall()]
