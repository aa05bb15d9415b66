"""The days of the event tables: made before they are needed, dropped after their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orgs import tasks
from orgs.constants import ACCEPTED_DAYS, DAYS_AHEAD, PAIR_DAYS, RAW_DAYS, MailKind
from orgs.models import MailDomain, MailEvent
from orgs.services import ids, ingest, partitions, recount
from orgs.services.batches import Batch
from orgs.tests.events import count_action

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2031, 3, 15, 23, 59, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _only_the_days_of_now():
    """Partitions outlive a test's rows, so each test begins and ends with those of today."""
    _reset()
    yield
    _reset()


def _reset():
    with connection.cursor() as cursor:
        for table in partitions.KEPT:
            for name, *_ in partitions._standing(table):
                cursor.execute(f"DROP TABLE {name}")
    partitions.make_ahead(timezone.now())


def days_of(table):
    names = [name for name, attached, _ in partitions._standing(table) if attached]
    return [name[-8:] for name in names]


def test_every_day_that_an_event_may_name_has_its_place():
    partitions.make_ahead(NOW)
    for table in partitions.KEPT:
        assert {
            f"{NOW + timedelta(days=offset):%Y%m%d}"
            for offset in range(-ACCEPTED_DAYS, DAYS_AHEAD + 1)
        } <= set(days_of(table))


def test_making_again_changes_nothing():
    partitions.make_ahead(NOW)
    before = [days_of(table) for table in partitions.KEPT]
    partitions.make_ahead(NOW)
    assert [days_of(table) for table in partitions.KEPT] == before
    assert partitions.days_missing(NOW) == []
    assert len(partitions.days_missing(NOW + timedelta(days=30))) == 2 * len(partitions.KEPT)


def test_raw_events_go_a_day_after_they_are_refused_and_pairs_stay():
    old = NOW - timedelta(days=PAIR_DAYS + 1)
    partitions.make((old + timedelta(days=n)).date() for n in range(PAIR_DAYS + 2))
    partitions.drop_old(NOW)
    raw, pairs = days_of("orgs_mail_event"), days_of("orgs_org_user_day")
    assert min(raw) == f"{NOW - timedelta(days=RAW_DAYS):%Y%m%d}"
    assert min(pairs) == f"{NOW - timedelta(days=PAIR_DAYS):%Y%m%d}"
    assert RAW_DAYS > ACCEPTED_DAYS


def test_what_a_drop_left_half_done_is_finished():
    old = (NOW - timedelta(days=RAW_DAYS + 3)).date()
    partitions.make([old])
    name = partitions.name_of("orgs_event", old)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE orgs_event DETACH PARTITION {name}")
    partitions.drop_old(NOW)
    assert name not in connection.introspection.table_names()


def test_counters_outlive_the_raw_events():
    batch = Batch()
    day = NOW - timedelta(days=RAW_DAYS + 1)
    partitions.make([day.date()])
    batch.add_mail(ids.new_id(), day.isoformat(), MailKind.DELIVERED, "a.example")
    ingest.store(batch)
    partitions.drop_old(NOW)
    assert MailEvent.objects.count() == 0
    assert MailDomain.objects.get().delivered == 1


def test_a_day_that_nobody_made_is_made_when_it_is_needed():
    today = timezone.now().astimezone(UTC).date()
    with connection.cursor() as cursor:
        for table in partitions.KEPT:
            cursor.execute(f"DROP TABLE {partitions.name_of(table, today)}")
    batch = Batch()
    batch.add_action(ids.new_id(), timezone.now().isoformat(), 1, 1, "")
    batch.add_mail(ids.new_id(), timezone.now().isoformat(), MailKind.DELIVERED, "a.example")
    assert ingest.store(batch).accepted == 2
    assert partitions.days_missing(timezone.now()) == []


def test_the_tasks_keep_the_days_and_fill_the_desks_own():
    tasks.keep_event_partitions()
    now = timezone.now()
    for org, user, day in [(1, 1, 0), (1, 2, 0), (2, 1, 0), (1, 1, 1), (1, 1, 2)]:
        count_action(org, user, now - timedelta(days=day))
    tasks.roll_today()
    today = recount.open_days(now)[-1]
    # The last minute of a day is told in the first of the next.
    lately = {today: (3, 2), today - timedelta(days=1): (1, 1)}
    assert figures() == lately
    tasks.roll_open_days()
    assert figures() == lately | {today - timedelta(days=2): (1, 1)}
    assert [recount.differences(day) for day in recount.open_days(now)] == [[]] * 8


def test_a_counter_that_differs_from_the_raw_events_is_found():
    count_action(1, 1)
    today = recount.open_days(timezone.now())[-1]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orgs_org_day SET actions = 5")
    assert recount.differences(today) == [(1, 5, 1, 1, 1)]


def figures():
    with connection.cursor() as cursor:
        cursor.execute("SELECT day, actions, dau FROM orgs_day")
        return {day: (actions, dau) for day, actions, dau in cursor.fetchall()}
