"""The running day's totals, as pages show and hear them: always what PostgreSQL has committed.

Every web process with a page open may speak, and whoever takes the turn does: a key in Valkey that
lives for a quarter of a second. So there are at most four messages a second however many processes
and events there are, no leader that could be missed, and where a process dies another takes the
next turn. Within a day totals only grow, so the day is the epoch and the number of events the
sequence: readers that overtake each other cannot make a page go back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection

from foundation import valkey
from live import publishing
from live.messages import ALIVE, NORMAL, TOPIC_STATE, Message
from live.topics import Topic
from orgs.constants import RAW_DAYS
from orgs.models import Tally

KEY: Final = "today"
TURN: Final = "orgs:live:turn"
TURN_MS: Final = 250

TODAY: Final = """
SELECT n.day, coalesce(sum(events), 0), coalesce(sum(events) FILTER (WHERE kind = 0), 0),
    coalesce(sum(events) FILTER (WHERE kind = 1), 0), coalesce(sum(orgs), 0),
    coalesce(sum(users), 0)
FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day) n LEFT JOIN orgs_tally t USING (day)
GROUP BY n.day
"""


@dataclass(frozen=True, slots=True)
class Today:
    """The running day (UTC): ``events`` are ``actions`` and ``mail`` together, ``orgs`` and
    ``users`` those who acted."""

    day: date
    events: int
    actions: int
    mail: int
    orgs: int
    users: int


def today() -> Today:
    with connection.cursor() as cursor:
        cursor.execute(TODAY)
        day, *counts = cursor.fetchone()
    return Today(day, *(int(count) for count in counts))


def message(figures: Today) -> Message:
    epoch, seq = figures.day.toordinal(), figures.events
    data = {**asdict(figures), "day": figures.day.isoformat()}
    meta = {"epoch": epoch, "seq": seq, "state": "live"}
    return Message(NORMAL, epoch, seq, KEY, _json(data), _json(meta))


def take_turn() -> bool:
    """Whether it is this process's turn to speak; no other's is then for ``TURN_MS``.

    Raises ``RedisError``.
    """
    return bool(valkey.client().set(TURN, 1, nx=True, px=TURN_MS))


def tell(topic: Topic, before: Today | None) -> Today:
    """Say what is committed, or only that somebody looks, where that is as ``before``.

    Raises ``RedisError`` and Django's ``DatabaseError``.
    """
    found = today()
    said = message(found)
    if found == before:
        said = Message(ALIVE, said.epoch, said.seq, TOPIC_STATE, b"{}", b"{}")
    publishing.publish(valkey.client(), topic, said)
    return found


def stale_form(said: Message) -> tuple[bytes, bytes]:
    """The last totals, marked: nobody looks any more."""
    if said.key == TOPIC_STATE:
        return said.data, said.meta
    meta: dict[str, Any] = json.loads(said.meta)
    return said.data, _json(meta | {"state": "stale"})


def forget_old(now: datetime) -> None:
    """Days that no event can change any more."""
    Tally.objects.filter(day__lt=now.date() - timedelta(days=RAW_DAYS)).delete()


def _json(facts: object) -> bytes:
    return json.dumps(facts, separators=(",", ":")).encode()
