"""What ``/metrics`` tells besides requests: feed, tasks, chains, sources, boards, mail."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
import redis
from django.db import OperationalError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from redis.backoff import NoBackoff
from redis.retry import Retry

from balances.models import BackfillJob, Chain, ReorgEvent, RpcEndpoint
from config import collectors, health, metrics, task_metrics
from foundation import lane_metrics, tallies, valkey
from foundation.backups import taking
from foundation.models import OutgoingMail
from foundation.tasks import deliver_mail
from orgs.services import board
from orgs.services.board import Period
from rates.coins.constants import KEY_WITHHELD
from rates.constants import KEY_FEED
from rates.models import CoinSource
from rates.tests.quotes import message, publish

pytestmark = pytest.mark.django_db


def samples():
    """Name and labels to value, of one scrape."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def chain():
    return Chain.objects.create(
        id=31337,
        name="Local",
        head_number=7,
        head_ts=timezone.now() - timedelta(seconds=9),
        head_seen_at=timezone.now(),
        state=Chain.State.OK,
    )


def test_the_feeds_own_counters_are_counters_with_units_in_their_names():
    publish(message())
    facts = {"frames": 12, "bad_frames": 1, "writes": 4, "write_us": 6000, "epoch": 3}
    for name, value in facts.items():
        valkey.client().hset(KEY_FEED, name, str(value))
    found = samples()
    assert found["quayside_feed_frames_total",] == 12
    assert found["quayside_feed_bad_frames_total",] == 1
    assert found["quayside_feed_write_seconds_count",] == 4
    assert found["quayside_feed_write_seconds_sum",] == pytest.approx(0.006)
    assert found["quayside_feed_epoch",] == 3


def test_a_task_is_counted_with_its_state_its_time_and_its_last_success():
    before = timezone.now().timestamp()
    deliver_mail.apply()
    found = samples()
    task = ("task", "foundation.deliver_mail")
    assert found["quayside_tasks_total", ("state", "success"), task] == 1
    assert found["quayside_task_seconds_count", task] == 1
    assert found["quayside_task_seconds_bucket", ("le", "+Inf"), task] == 1
    assert found["quayside_task_last_success_timestamp_seconds", task] >= round(before, 3)


def test_a_task_that_fails_is_told_apart_and_keeps_the_time_of_its_last_success(monkeypatch):
    def broken():
        raise OperationalError("gone")

    deliver_mail.apply()
    then = samples()
    monkeypatch.setattr("foundation.mail.deliver_due", broken)
    deliver_mail.apply()
    found, task = samples(), ("task", "foundation.deliver_mail")
    assert found["quayside_tasks_total", ("state", "failure"), task] == 1
    last = ("quayside_task_last_success_timestamp_seconds", task)
    assert found[last] == then[last]


def test_a_task_that_came_too_late_is_counted_as_expired():
    task_metrics.note_dropped(deliver_mail, expired=True)
    task_metrics.note_dropped(deliver_mail, expired=False)
    name = ("task", "foundation.deliver_mail")
    assert samples()["quayside_tasks_total", ("state", "expired"), name] == 1


def test_the_length_of_every_queue_is_told():
    deliver_mail.apply_async(retry=False)
    found = samples()
    assert found["quayside_queue_tasks", ("queue", "default")] == 1
    queues = {key[1][1] for key in found if key[0] == "quayside_queue_tasks"}
    assert queues == {"default", "prices", "rpc.hot", "rpc.backfill"}


def test_a_histogram_over_processes_is_cumulative_and_keeps_its_sum():
    for seconds in (0.001, 0.3, 500.0):
        tallies.tell(tallies.observed("chain_apply", "1", seconds=seconds))
    found, chain = samples(), ("chain", "1")
    name = "quayside_chain_apply_seconds"
    assert found[f"{name}_bucket", chain, ("le", "0.005")] == 1
    assert found[f"{name}_bucket", chain, ("le", "0.5")] == 2
    assert found[f"{name}_bucket", chain, ("le", "120.0")] == 2
    assert found[f"{name}_bucket", chain, ("le", "+Inf")] == 3
    assert found[f"{name}_sum", chain] == pytest.approx(500.301)


def test_a_chain_tells_how_far_it_is_what_it_took_back_and_what_waits(chain):
    ReorgEvent.objects.create(chain=chain, depth=3, fork_number=2, old_hashes=[], new_hashes=[])
    RpcEndpoint.objects.create(chain=chain, name="a", url_http="http://node", failures=2)
    BackfillJob.objects.create(chain=chain, kind="blocks", state="parked")
    found, name = samples(), ("chain", "31337")
    assert found["quayside_chain_head_number", name] == 7
    assert found["quayside_chain_head_age_seconds", name] >= 9
    assert (found["quayside_chain_ok", name], found["quayside_chain_halted", name]) == (1, 0)
    assert found["quayside_chain_reorgs_total", name] == 1
    assert found["quayside_chain_reorg_depth_blocks", name] == 3
    assert found["quayside_chain_endpoint_failures", name, ("node", "a")] == 2
    assert found["quayside_backfill_jobs", name, ("state", "parked")] == 1


def test_a_halted_chain_calls_for_a_person(chain):
    Chain.objects.update(state=Chain.State.HALTED)
    assert samples()["quayside_chain_halted", ("chain", "31337")] == 1


def test_sources_of_coins_that_are_asked_tell_how_they_are():
    source = CoinSource.objects.get(name="coingecko")
    source.state.fetched_at, source.state.error = timezone.now() - timedelta(minutes=9), "refused"
    source.state.failures = 4
    source.state.save()
    CoinSource.objects.exclude(pk=source.pk).update(enabled=False)
    valkey.client().set(KEY_WITHHELD, 3)
    found, name = samples(), ("source", "coingecko")
    assert found["quayside_coin_lists_withheld_total",] == 3
    assert (
        found["quayside_coin_source_ok", name],
        found["quayside_coin_source_failures", name],
    ) == (0, 4)
    assert found["quayside_coin_source_age_seconds", name] >= 540
    assert {key[1] for key in found if key[0] == "quayside_coin_source_ok"} == {name}


def test_boards_and_waiting_mail_tell_their_age():
    OutgoingMail.objects.create(message={})
    OutgoingMail.objects.update(added_at=timezone.now() - timedelta(minutes=5))
    found = samples()
    told = found["quayside_board_organisations", ("period", "all")]
    assert told == board.newest(Period.ALL).total
    assert found["quayside_board_age_seconds", ("period", "d7")] >= 0
    assert found["quayside_mail_waiting",] == 1
    assert found["quayside_mail_oldest_age_seconds",] >= 300


def test_a_fast_lane_is_timed_in_buckets_that_fit_it():
    clock = lane_metrics.LaneClock()
    for seconds in (0.00002, 0.0003, 9.0):
        clock.note("rates", seconds)
    [family] = clock.collect()
    buckets = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert (buckets["5e-05"], buckets["0.0005"], buckets["5.0"], buckets["+Inf"]) == (1, 2, 2, 3)


def test_without_valkey_the_page_still_tells_what_the_database_knows(monkeypatch, chain):
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(valkey, "client", lambda: nobody)
    found = samples()
    assert found["quayside_chain_ok", ("chain", "31337")] == 1
    assert found["quayside_feed_live",] == 0
    assert not [key for key in found if key[0] == "quayside_queue_tasks"]


def test_without_the_database_the_page_still_tells_of_the_feed(monkeypatch):
    def lost():
        raise OperationalError("gone")

    publish(message())
    for name in ("_chains", "_jobs", "_coins", "_boards", "_mail"):
        monkeypatch.setattr(collectors, name, lost)
    assert samples()["quayside_feed_live",] == 1


def test_a_database_that_hangs_keeps_nothing_else_from_the_page(monkeypatch, chain):
    released = threading.Event()

    def hangs():
        released.wait(30)
        return health.Health("database", False, "late")

    publish(message())
    monkeypatch.setitem(health.CHECKS, "database", hangs)
    try:
        found = samples()
    finally:
        released.set()
    assert found["quayside_feed_live",] == 1
    assert not [key for key in found if key[0].startswith("quayside_chain_ok")]


def test_the_first_part_that_the_database_fails_is_the_last_that_it_is_asked(monkeypatch, chain):
    asked = []

    def lost():
        asked.append("jobs")
        raise OperationalError("gone")

    monkeypatch.setattr(collectors, "_jobs", lost)
    monkeypatch.setattr(collectors, "_coins", lambda: asked.append("coins"))
    found = samples()
    assert asked == ["jobs"]
    assert found["quayside_chain_ok", ("chain", "31337")] == 1


def test_the_last_backup_is_told_and_none_before_there_is_one():
    name = "quayside_backup_last_success_timestamp_seconds"
    assert not [key for key in samples() if key[0] == name]
    tallies.tell(tallies.kept(taking.MADE_AT, value=1_795_000_000))
    assert samples()[name,] == 1_795_000_000


def test_every_task_of_the_timetable_tells_how_often_it_is_due(settings):
    found = samples()
    assert found["quayside_task_period_seconds", ("task", "balances.prune")] == 86_400
    assert found["quayside_task_period_seconds", ("task", "foundation.deliver_mail")] == 15
    told = {key[1][1] for key in found if key[0] == "quayside_task_period_seconds"}
    assert told == {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_work_goes_on_while_nothing_can_be_counted(monkeypatch):
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(valkey, "client", lambda: nobody)
    tallies.tell(tallies.counted("tasks", "a", "success"))
    assert tallies.read() == {}


def test_names_follow_prometheus_and_carry_their_unit():
    publish(message())
    families = list(text_string_to_metric_families(metrics.text().decode()))
    ours = [family for family in families if family.name.startswith("quayside_")]
    assert len(ours) > 45
    for family in ours:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation
        if family.type in ("histogram", "summary"):
            assert family.name.endswith("_seconds")
        # A time is in seconds, never in anything smaller.
        assert not re.search(r"_(ms|us|millis|minutes)(_|$)", family.name)
