"""What Celery's tasks did and how long they took, counted where they run, by name alone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

import structlog
from celery import signals
from django.conf import settings
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.exceptions import RedisError

from foundation import tallies, valkey
from foundation.tallies import Tallies

logger = structlog.get_logger(__name__)

TASKS: Final = "tasks"
SECONDS: Final = "task_seconds"
SUCCEEDED_AT: Final = "task_succeeded_at"
EXPIRED: Final = "expired"

_began: dict[str, float] = {}


@signals.task_prerun.connect
def note_begin(task_id: str, **kwargs: Any) -> None:
    _began[task_id] = time.perf_counter()


@signals.task_postrun.connect
def note_end(task_id: str, task: Any, state: str | None, **kwargs: Any) -> None:
    began = _began.pop(task_id, None)
    ended = (state or "unknown").lower()
    facts = [tallies.counted(TASKS, task.name, ended)]
    if began is not None:
        seconds = time.perf_counter() - began
        facts.append(tallies.observed(SECONDS, task.name, seconds=seconds))
    if ended == "success":
        facts.append(tallies.kept(SUCCEEDED_AT, task.name, value=round(time.time(), 3)))
    tallies.tell(*facts)


@signals.task_revoked.connect
def note_dropped(sender: Any, expired: bool, **kwargs: Any) -> None:
    """A task that came too late is dropped unseen: its next turn is due already."""
    if expired:
        tallies.tell(tallies.counted(TASKS, sender.name, EXPIRED))


# --- Reading ------------------------------------------------------------------------------------


def queues() -> list[str]:
    routes: Any = settings.CELERY_TASK_ROUTES
    return sorted({settings.CELERY_TASK_DEFAULT_QUEUE, *(r["queue"] for r in routes.values())})


def families(found: Tallies) -> Iterable[Metric]:
    ended = CounterMetricFamily(
        "quayside_tasks", "Tasks that ended, by how they did", labels=["task", "state"]
    )
    for labels, value in tallies.of(found, TASKS):
        ended.add_metric(labels, value)
    succeeded = GaugeMetricFamily(
        "quayside_task_last_success_timestamp_seconds",
        "When a task last succeeded, in seconds since 1970",
        labels=["task"],
    )
    for labels, value in tallies.of(found, SUCCEEDED_AT):
        succeeded.add_metric(labels, value)
    yield from (ended, succeeded)
    yield tallies.histogram(found, SECONDS, "quayside_task_seconds", "Time of a task", ["task"])
    yield _waiting()


def _waiting() -> Metric:
    waiting = GaugeMetricFamily(
        "quayside_queue_tasks", "Tasks that wait for a worker", labels=["queue"]
    )
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    names = queues()
    try:
        with valkey.client().pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.llen(f"{prefix}{name}")
            lengths = pipeline.execute()
    except RedisError as problem:
        logger.warning("queues not read", error=str(problem))
        return waiting
    for name, length in zip(names, lengths, strict=True):
        waiting.add_metric([name], length)
    return waiting
