"""What beat starts is there to be started, and what was missed is made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import crontab

from config import task_metrics, timetable
from config.celery import app
from foundation import tallies, valkey

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_the_timetable_names_tasks_that_exist_and_lets_late_ones_expire(settings):
    app.autodiscover_tasks(force=True)
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["expires"] > 0


def test_what_is_rare_stands_at_a_time_of_the_clock_since_an_interval_begins_with_each_beat(
    settings,
):
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        if timetable.period(entry["schedule"]) >= timetable.LONG:
            assert isinstance(entry["schedule"], crontab), name


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (timedelta(seconds=10), timedelta(seconds=10)),
        (crontab(minute="5"), timedelta(hours=1)),
        (crontab(hour="*/6", minute="10"), timedelta(hours=6)),
        (crontab(hour="3", minute="10"), timedelta(days=1)),
    ],
)
def test_the_period_of_a_task_is_that_between_two_turns(schedule, expected):
    assert timetable.period(schedule) == expected


def done(settings, at):
    return {
        (task_metrics.SUCCEEDED_AT, entry["task"]): at
        for entry in settings.CELERY_BEAT_SCHEDULE.values()
    }


def test_what_has_not_succeeded_since_it_was_due_is_overdue(settings):
    now = datetime.now(tz=UTC).timestamp()
    assert timetable.overdue(settings.CELERY_BEAT_SCHEDULE, done(settings, now)) == []
    found = timetable.overdue(settings.CELERY_BEAT_SCHEDULE, done(settings, LONG_AGO))
    assert {"prune-chains", "keep-candle-partitions", "purge-expired-sign-ins"} <= set(found)
    assert found == timetable.overdue(settings.CELERY_BEAT_SCHEDULE, {})
    # The one comes every few seconds, the other notes how a day began.
    assert not {"deliver-mail", "note-mail-days"} & set(found)


def test_a_beat_that_begins_queues_what_was_missed_and_nothing_twice(settings):
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        if entry["task"] != "balances.prune":
            now = datetime.now(tz=UTC).timestamp()
            tallies.tell(tallies.kept(task_metrics.SUCCEEDED_AT, entry["task"], value=now))
    timetable.make_up()
    assert _waiting() == 1
    tallies.tell(tallies.kept(task_metrics.SUCCEEDED_AT, "balances.prune", value=now))
    timetable.make_up()
    assert _waiting() == 1


def _waiting():
    return sum(valkey.client().llen(f"celery:{name}") for name in task_metrics.queues())
