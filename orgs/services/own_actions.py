"""What members do on the desk itself, as events of their organisations.

``note`` stores it durably before the page is answered, in one insert that nobody can hold up:
counting at once would make pages wait for the organisation's row, which a batch of thousands may
hold. ``count_waiting`` moves what waits into the event stream, each batch in one transaction, so
that a process killed in between has moved all of it or nothing. An act on the same thing counts
once a minute, by an id derived from the facts, whichever process noted it and however often.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import Error, connection, transaction
from django.utils import timezone

from orgs.constants import MAX_ACTION_NAME, MAX_ACTIONS
from orgs.services import ingest
from orgs.services.batches import Batch
from orgs.services.ids import derived_id
from orgs.services.windows import window

logger = structlog.get_logger(__name__)

# With nobody to count, pages write no more rows than this.
MAX_WAITING: Final = 100_000
MAX_ABOUT: Final = 200
# Acts of the running minute that a process remembers: a page that is reloaded writes nothing.
REMEMBERED: Final = 20_000

# Ids only grow, so the distance from the oldest to the newest bounds how many wait.
NOTE: Final = """
INSERT INTO orgs_own_action (org_id, user_id, name, about, ts)
SELECT m.org_id, m.user_id, %(name)s, %(about)s, %(ts)s FROM orgs_membership m
WHERE m.user_id = %(user)s
    AND (SELECT coalesce(max(id) - min(id), 0) FROM orgs_own_action) < %(most)s
"""
TAKE: Final = """
DELETE FROM orgs_own_action WHERE id IN (
    SELECT id FROM orgs_own_action ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING org_id, user_id, name, about, ts
"""

Act = tuple[int, str, str]


class _Minute:
    """The acts that this process has noted in the running minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: datetime | None = None
        self._acts: set[Act] = set()

    def has(self, act: Act, now: datetime) -> bool:
        with self._lock:
            return self._began == _minute(now) and act in self._acts

    def add(self, act: Act, now: datetime) -> None:
        with self._lock:
            if self._began != _minute(now) or len(self._acts) >= REMEMBERED:
                self._began, self._acts = _minute(now), set()
            self._acts.add(act)


_noted = _Minute()


def note(*, user_id: int, name: str, about: str = "") -> None:
    """Store what a user did, for each of their organisations; nothing for who has none.

    Inside of a transaction it is stored with it or not at all. Raises nothing: a page is never lost
    for the sake of a figure.
    """
    now = timezone.now()
    act = (user_id, name[:MAX_ACTION_NAME], about[:MAX_ABOUT])
    if _noted.has(act, now):
        return
    try:
        _store(act, now)
    except Error as problem:
        logger.warning("an act was not noted", act=name, error=repr(problem))
        return
    # What a transaction takes back must be noted again.
    if not connection.in_atomic_block:
        _noted.add(act, now)


def count_waiting() -> int:
    """Count what waits, at most ``MAX_ACTIONS`` a transaction; how many were taken."""
    taken = 0
    while found := ingest.repeated(_move):
        taken += found
    return taken


def _store(act: Act, now: datetime) -> None:
    user_id, name, about = act
    facts: dict[str, Any] = {
        "user": user_id,
        "name": name,
        "about": about,
        "ts": now,
        "most": MAX_WAITING,
    }
    if not connection.in_atomic_block:
        _insert(facts)
        return
    # A savepoint, so that a failure here leaves the transaction whole.
    with transaction.atomic():
        _insert(facts)


def _insert(facts: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NOTE, facts)


@transaction.atomic
def _move() -> int:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [MAX_ACTIONS])
        rows = cursor.fetchall()
    open_days = window(timezone.now())
    batch, late = Batch(), 0
    for org_id, user_id, name, about, ts in rows:
        if open_days.fault(ts):
            late += 1
            continue
        facts = f"{org_id}\n{user_id}\n{name}\n{about}"
        batch.add_action(derived_id(_minute(ts), facts), ts.isoformat(), org_id, user_id, name)
    if late:
        logger.error("acts waited for so long that they count no more", acts=late)
    if len(batch):
        ingest.store(batch)
    return len(rows)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
