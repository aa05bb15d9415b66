"""The simulation of many events: its arithmetic, and the bytes of log that it reckons with."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from benchmarks import simulation
from orgs.constants import MailKind
from orgs.services import ids, ingest, partitions
from orgs.services.batches import Batch

LOAD = simulation.Load(events=100_000, domains=10_000_000, call=5000, seconds=60)


def test_every_event_lies_on_a_shard_and_the_most_popular_domain_on_one():
    shares = simulation.parts(10_000_000, 8)
    assert sum(shares) == pytest.approx(1)
    assert max(shares) > 1.2 / 8 > min(shares)


def test_as_many_domains_are_met_as_there_are_or_events_at_most():
    assert simulation.distinct(10, 1_000_000) == pytest.approx(10, abs=0.1)
    assert 1000 < simulation.distinct(10_000_000, 5000) < 5000


def test_more_shards_hold_what_one_does_not():
    one, eight = (simulation.run(LOAD, shards) for shards in (1, 8))
    assert not one.holds
    assert eight.holds
    assert eight.busiest < one.busiest
    assert eight.wal < one.wal


def test_a_load_that_no_shard_can_take_is_seen_to_wait_longer_and_longer():
    flood = simulation.Load(events=2_000_000, domains=1000, call=5000, seconds=20)
    found = simulation.run(flood, 1)
    assert not found.holds
    assert found.p95 > 5


@pytest.mark.django_db(transaction=True)
def test_events_take_about_as_many_bytes_of_log_as_is_reckoned_with():
    partitions.make_ahead(timezone.now())
    store(), store()  # pages are there, and were logged whole
    many, few = (least(domains) for domains in (2000, 20))
    event = few / 5000
    counter = (many - few) / 1980
    assert simulation.WAL_EVENT / 1.5 < event < simulation.WAL_EVENT * 1.5
    assert simulation.WAL_DOMAIN / 2 < counter < simulation.WAL_DOMAIN * 2


def least(domains):
    """Of three tries: a page that is logged whole belongs to its checkpoint."""
    return min(logged(domains) for _ in range(3))


def logged(domains):
    before = position()
    store(domains)
    return position() - before


def position():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])


def store(domains=2000):
    now, batch = timezone.now().isoformat(), Batch()
    for number in range(5000):
        domain = f"domain-{number % domains}.example"
        batch.add_mail(ids.new_id(), now, MailKind.DELIVERED, domain)
    assert ingest.store(batch).accepted == 5000
