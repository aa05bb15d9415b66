"""How often tasks of the timetable are due, and those that were missed while no beat ran.

Beat's own file is gone with its container. Tasks of long periods therefore stand at hours of the
clock, and what has not succeeded since its last hour is queued once when beat begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from celery import current_app
from celery.schedules import crontab, maybe_schedule
from django.conf import settings
from kombu.exceptions import OperationalError

from config import task_metrics
from foundation import tallies
from foundation.tallies import Tallies

logger = structlog.get_logger(__name__)

# What comes more often is due soon enough.
LONG: Final = timedelta(minutes=30)

Timetable = Mapping[str, Mapping[str, Any]]


def _timetable() -> Timetable:
    found: Timetable = settings.CELERY_BEAT_SCHEDULE
    return found


def period(schedule: Any) -> timedelta:
    """Between two turns."""
    if isinstance(schedule, timedelta):
        return schedule
    first = _next(schedule, datetime.now(tz=UTC))
    return _next(schedule, first) - first


def periods() -> dict[str, timedelta]:
    """Task to the shortest of its periods."""
    found: dict[str, timedelta] = {}
    for entry in _timetable().values():
        own = period(entry["schedule"])
        found[entry["task"]] = min(own, found.get(entry["task"], own))
    return found


def overdue(timetable: Timetable, done: Tallies) -> list[str]:
    """Entries of long periods whose task has not succeeded since they were due."""
    return [
        name
        for name, entry in timetable.items()
        if period(entry["schedule"]) >= LONG
        and _missed(entry["schedule"], done.get((task_metrics.SUCCEEDED_AT, entry["task"])))
    ]


def _missed(schedule: Any, succeeded: float | None) -> bool:
    if succeeded is None:
        return True
    last = datetime.fromtimestamp(succeeded, UTC)
    known: Any = maybe_schedule(schedule)
    return bool(known.remaining_estimate(last) <= timedelta(0))


def _next(schedule: crontab, after: datetime) -> datetime:
    last, until, _ = schedule.remaining_delta(after)
    found: datetime = last + until
    return found


def make_up() -> None:
    """Queue what was missed. Without a broker it waits for its next hour, and an alert tells."""
    for name in overdue(_timetable(), tallies.read()):
        entry = _timetable()[name]
        try:
            current_app.send_task(
                entry["task"], kwargs=entry.get("kwargs"), retry=False, **entry["options"]
            )
        except OperationalError as problem:
            logger.warning("missed tasks not queued", error=repr(problem))
            return
        logger.info("missed task queued", task=entry["task"])
