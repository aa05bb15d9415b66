"""Figures that belong to no process: read from Valkey and PostgreSQL at each scrape.

Every web process tells the same of them, so queries take ``max``, never ``sum``. What cannot be
read is left out, and its gaps are seen; a part that is down never fails the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Max, Min
from django.utils import timezone
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from balances.models import BackfillJob, Chain, ReorgEvent, RpcEndpoint
from balances.services import upkeep
from config import health, task_metrics, timetable
from foundation import tallies, valkey
from foundation.backups import taking
from foundation.models import OutgoingMail
from orgs.services import board as orgs_board
from rates.coins.constants import KEY_CALLS, KEY_WITHHELD
from rates.coins.services import health as coins_health
from rates.constants import KEY_FEED, LIVE
from rates.services import board

logger = structlog.get_logger(__name__)

# Fields of the hash that the leading feed keeps, as ``rates.feeds.source`` names them.
FEED_COUNTERS: Final = {
    "frames": "Messages of the exchange",
    "bad_frames": "Messages of the exchange that could not be read",
    "out_of_order": "Prices of the exchange that were older than those before",
    "dials": "Connections to the exchange that were tried",
    "reconnects": "Connections to the exchange that were tried again",
}
# States of a coin source in which it is not expected to answer.
RESTING: Final = frozenset({"off", "no key"})


class FeedCollector(Collector):
    """What the leading feed leaves in Valkey. ``epoch`` tells of new leaders."""

    def collect(self) -> Iterable[Metric]:
        if not health.answers("valkey"):
            yield _gauge("quayside_feed_live", "Whether the exchange is live", 0)
            return
        found = board.read([])
        yield _gauge("quayside_feed_live", "Whether the exchange is live", int(found.state == LIVE))
        age = None if found.age_ms is None else found.age_ms / 1000
        yield _gauge("quayside_feed_age_seconds", "Since the feed's last sign of life", age)
        figures = _figures()
        for name, text in FEED_COUNTERS.items():
            yield CounterMetricFamily(f"quayside_feed_{name}", text, value=figures.get(name, 0.0))
        yield SummaryMetricFamily(
            "quayside_feed_write_seconds",
            "Time to publish what has changed",
            count_value=int(figures.get("writes", 0)),
            sum_value=figures.get("write_us", 0.0) / 1e6,
        )
        for name, text in (
            ("epoch", "Leaders that there have been"),
            ("applied_v", "Version of the spreads that quotes are made with"),
        ):
            yield _gauge(f"quayside_feed_{name}", text, figures.get(name))

    def describe(self) -> Iterable[Metric]:
        # Registering must not need Valkey.
        return []


def _figures() -> dict[str, float]:
    """The numbers among the feed's facts."""
    try:
        facts = cast("dict[bytes, bytes]", valkey.client().hgetall(KEY_FEED))
    except RedisError:
        return {}
    named = {name.decode(): value.decode() for name, value in facts.items()}
    return {name: float(value) for name, value in named.items() if value.isdigit()}


class TaskCollector(Collector):
    """What is added up in Valkey: of tasks, of followers of chains, of the list of coins."""

    def collect(self) -> Iterable[Metric]:
        if not health.answers("valkey"):
            return
        found = tallies.read()
        yield from task_metrics.families(found)
        due = _labelled("quayside_task_period_seconds", "Between two turns of a task", ["task"])
        for name, period in timetable.periods().items():
            due.add_metric([name], period.total_seconds())
        yield due
        yield tallies.histogram(
            found, "chain_apply", "quayside_chain_apply_seconds", "Time to apply a block", ["chain"]
        )
        yield CounterMetricFamily(
            "quayside_balance_mismatches",
            "Balances that differed from the chain's",
            value=upkeep.counters().get(upkeep.MISMATCHES, 0),
        )
        backup = GaugeMetricFamily(
            "quayside_backup_last_success_timestamp_seconds",
            "When `manage.py backup` last succeeded, in seconds since 1970",
        )
        for _, value in tallies.of(found, taking.MADE_AT):
            backup.add_metric([], value)
        yield backup
        text = "Merges that were too short to be served"
        yield CounterMetricFamily("quayside_coin_lists_withheld", text, value=_withheld())
        calls = CounterMetricFamily(
            "quayside_webhook_calls", "Calls that ended", labels=["outcome"]
        )
        for outcome, number in _calls().items():
            calls.add_metric([outcome], number)
        yield calls

    def describe(self) -> Iterable[Metric]:
        return []


class DatabaseCollector(Collector):
    """What stands in tables: chains, sources of coins, boards, calls of webhooks, mail."""

    def collect(self) -> Iterable[Metric]:
        if not health.answers("database"):
            return
        found: list[Metric] = []
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # Prometheus waits ten seconds for the whole page.
                cursor.execute("SET LOCAL statement_timeout = '1s'")
                for part in (_chains, _jobs, _coins, _boards, _webhooks, _mail):
                    found += part()
        except DatabaseError as problem:
            # Whatever made one fail would keep the others waiting as well.
            logger.warning("figures not read", error=str(problem))
        yield from found

    def describe(self) -> Iterable[Metric]:
        # Registering must need neither database nor Valkey.
        return []


def _chains() -> Iterator[Metric]:
    label = ["chain"]
    age = _labelled("quayside_chain_head_age_seconds", "Since the newest block was made", label)
    number = _labelled("quayside_chain_head_number", "The newest block that was applied", label)
    working = _labelled("quayside_chain_ok", "Whether the chain is followed as it should be", label)
    halted = _labelled("quayside_chain_halted", "Whether a person has to look", label)
    now = timezone.now()
    for chain in Chain.objects.followed():
        name = [str(chain.pk)]
        working.add_metric(name, int(not upkeep.is_still(chain, now)))
        halted.add_metric(name, int(chain.state == Chain.State.HALTED))
        if (seconds := upkeep.head_age(chain, now)) is not None:
            age.add_metric(name, seconds)
            number.add_metric(name, chain.head_number or 0)
    yield from (age, number, working, halted)
    reorgs = CounterMetricFamily("quayside_chain_reorgs", "Blocks taken back, times", labels=label)
    deepest = _labelled("quayside_chain_reorg_depth_blocks", "The deepest reorg so far", label)
    seen = ReorgEvent.objects.order_by().values_list("chain").annotate(Count("pk"), Max("depth"))
    for chain_id, times, depth in seen:
        reorgs.add_metric([str(chain_id)], times)
        deepest.add_metric([str(chain_id)], depth)
    yield from (reorgs, deepest)
    failing = _labelled(
        "quayside_chain_endpoint_failures", "Failed probes of a node, in a row", ["chain", "node"]
    )
    nodes = RpcEndpoint.objects.filter(enabled=True, chain__enabled=True)
    for chain_id, node, in_a_row in nodes.values_list("chain_id", "name", "failures"):
        failing.add_metric([str(chain_id), node], in_a_row)
    yield failing


def _jobs() -> Iterator[Metric]:
    jobs = _labelled("quayside_backfill_jobs", "History to be read", ["chain", "state"])
    wanted = [BackfillJob.State.WAITING, BackfillJob.State.PARKED]
    found = BackfillJob.objects.filter(state__in=wanted).order_by().values_list("chain", "state")
    for chain_id, state, number in found.annotate(Count("pk")):
        jobs.add_metric([str(chain_id), state], number)
    yield jobs


def _coins() -> Iterator[Metric]:
    label = ["source"]
    good = _labelled("quayside_coin_source_ok", "Whether the source answers", label)
    age = _labelled("quayside_coin_source_age_seconds", "Since it answered last", label)
    failures = _labelled("quayside_coin_source_failures", "Failures in a row", label)
    left = _labelled("quayside_coin_source_credits_left", "Left of its plan this month", label)
    now = timezone.now()
    for source in coins_health.sources(now):
        if source.state in RESTING:
            continue
        named = [source.name]
        good.add_metric(named, int(source.state == "ok"))
        failures.add_metric(named, source.failures)
        if source.fetched_at is not None:
            age.add_metric(named, (now - source.fetched_at).total_seconds())
        if source.credits_left is not None:
            left.add_metric(named, source.credits_left)
    yield from (good, age, failures, left)


def _boards() -> Iterator[Metric]:
    age = _labelled("quayside_board_age_seconds", "Since a board was built", ["period"])
    size = _labelled("quayside_board_organisations", "Organisations on a board", ["period"])
    now = timezone.now()
    for period in orgs_board.Period:
        built = orgs_board.newest(period)
        age.add_metric([period.value], (now - built.built_at).total_seconds())
        size.add_metric([period.value], built.total)
    yield from (age, size)


def _mail() -> Iterator[Metric]:
    found: dict[str, Any] = OutgoingMail.objects.aggregate(
        waiting=Count("pk"), first=Min("added_at")
    )
    yield _gauge("quayside_mail_waiting", "Mails that no server has taken", found["waiting"])
    oldest = 0.0 if found["first"] is None else (timezone.now() - found["first"]).total_seconds()
    yield _gauge("quayside_mail_oldest_age_seconds", "How long the oldest waits", oldest)


def _webhooks() -> Iterator[Metric]:
    count, oldest = coins_health.waiting_calls(timezone.now())
    yield _gauge("quayside_webhook_calls_waiting", "Calls that are still to be made", count)
    yield _gauge("quayside_webhook_oldest_age_seconds", "How long the oldest waits", oldest)


def _calls() -> dict[str, int]:
    try:
        counted = cast("dict[bytes, bytes]", valkey.client().hgetall(KEY_CALLS))
    except RedisError:
        return {}
    return {outcome.decode(): int(number) for outcome, number in counted.items()}


def _withheld() -> int:
    try:
        return int(cast("bytes | None", valkey.client().get(KEY_WITHHELD)) or 0)
    except RedisError:
        return 0


def _labelled(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)


def _gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    """Without a sample where nothing is known."""
    return GaugeMetricFamily(name, text, value=value)
