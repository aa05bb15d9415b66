"""Several writers of the same events at once: each counted once, and nobody deadlocks."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orgs.constants import MailKind
from orgs.models import Event, MailDomain, MailEvent, OrgDay, OrgUserDay, Stat, UserDay
from orgs.services import ids, ingest, recount
from orgs.services.batches import Batch
from orgs.services.copying import WORTH_COPYING

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS = 30_000
BATCH = 5_000


@pytest.fixture(autouse=True)
def _no_second_attempt(monkeypatch):
    """A deadlock must show, not be mended."""
    monkeypatch.setattr(ingest, "ATTEMPTS", 1)


def in_batches(events, add):
    for start in range(0, len(events), BATCH):
        batch = Batch()
        for event in events[start : start + BATCH]:
            add(batch, *event)
        yield batch


def send(batches):
    """Store them all from a thread of its own; how many were counted."""
    try:
        return sum(ingest.store(batch).accepted for batch in batches)
    finally:
        connection.close()


def race(*senders):
    with ThreadPoolExecutor(len(senders)) as threads:
        return sum(threads.map(send, senders))


def test_two_writers_send_the_same_actions_twice_each():
    chance, now = random.Random(7), timezone.now()
    events = [
        (
            ids.new_id(),
            (now - timedelta(days=int(chance.random() < 0.05), seconds=number)).isoformat(),
            int(chance.paretovariate(1)) % 500 + 1,
            chance.randrange(1, 2_000),
            "seen",
        )
        for number in range(EVENTS)
    ]
    orders = [events * 2, events[::-1] * 2]
    assert race(*(in_batches(order, Batch.add_action) for order in orders)) == EVENTS
    assert Event.objects.count() == EVENTS
    assert sum(Stat.objects.values_list("actions", flat=True)) == EVENTS
    assert sum(OrgDay.objects.values_list("actions", flat=True)) == EVENTS
    pairs = {(ts_day(ts), org, user) for _, ts, org, user, _ in events}
    assert OrgUserDay.objects.count() == len(pairs)
    assert sum(OrgDay.objects.values_list("dau", flat=True)) == len(pairs)
    assert UserDay.objects.count() == len({(day, user) for day, _, user in pairs})
    assert [recount.differences(day) for day in recount.open_days(now)] == [[]] * 8


def ts_day(ts):
    return datetime.fromisoformat(ts).astimezone(UTC).date()


def test_writers_of_mail_in_every_order_beside_single_events():
    chance, now = random.Random(11), timezone.now().isoformat()
    events = [
        (ids.new_id(), now, chance.choice(list(MailKind)), f"d{chance.randrange(3_000)}.example")
        for _ in range(6_000)
    ]
    shuffled = [chance.sample(events, len(events)) for _ in range(3)]
    with ThreadPoolExecutor(4) as threads:
        bulk = [threads.submit(send, in_batches(order, Batch.add_mail)) for order in shuffled]
        singles = threads.submit(one_by_one, [domain for *_, domain in events[:300]])
        assert sum(sender.result() for sender in bulk) == len(events)
        singles.result()
    assert MailEvent.objects.count() == len(events)
    kept = {row.domain: (row.delivered, row.bounced) for row in MailDomain.objects.all()}
    expected: dict[str, list[int]] = {}
    for _, _, kind, domain in events:
        expected.setdefault(domain, [0, 0])[kind - 1] += 1
    for *_, domain in events[:300]:
        expected[domain][0] += 1
    assert kept == {domain: tuple(counts) for domain, counts in expected.items()}


def one_by_one(domains):
    try:
        for domain in domains:
            ingest.count_one(domain, MailKind.DELIVERED)
    finally:
        connection.close()


def test_first_events_of_a_domain_at_once_are_all_counted():
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one_by_one, [["new.example"] * 50] * 8))
    assert MailDomain.objects.get().delivered == 400


def test_a_batch_in_which_one_event_is_known_counts_all_the_others():
    now = timezone.now().isoformat()
    known, *others = [(ids.new_id(), now, MailKind.BOUNCED, "null") for _ in range(WORTH_COPYING)]
    first, again = Batch(), Batch()
    first.add_mail(*known)
    for event in (*others, (known[0].upper(), *known[1:])):
        again.add_mail(*event)
    assert ingest.store(first) == ingest.Stored(1, 0)
    assert ingest.store(again) == ingest.Stored(len(others), 1)
    assert MailDomain.objects.get().bounced == WORTH_COPYING == MailEvent.objects.count()


def test_what_is_copied_is_read_back_as_it_was_sent():
    now = timezone.now().isoformat()
    names = ["a\\tb", "\\N", '"quoted"', "{}", "\u00fc, \U0001f600", ""]
    batch = Batch()
    for number in range(WORTH_COPYING):
        batch.add_action(ids.new_id().upper(), now, 1, 7, names[number % len(names)])
        batch.add_mail(ids.new_id(), now, MailKind.DELIVERED, "null")
    assert ingest.store(batch).accepted == len(batch)
    assert set(Event.objects.values_list("name", flat=True)) == set(names)
    assert MailDomain.objects.get().delivered == WORTH_COPYING
    assert OrgDay.objects.get().dau == 1
