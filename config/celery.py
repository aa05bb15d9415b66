"""Celery's application: brokers and timetable come from the settings."""

import os
from typing import Any

import structlog
from celery import Celery, Task
from celery.signals import beat_init, setup_logging, worker_init
from django.dispatch import receiver
from django_structlog.celery.signals import bind_extra_task_metadata
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("quayside")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Tasks log under the id of the request that queued them.
app.steps["worker"].add(DjangoStructLogInitStep)


@worker_init.connect
def count_tasks(**kwargs: object) -> None:
    """Not where tasks are only queued: settings must be read before Valkey is known."""
    from config import task_metrics  # noqa: F401


@beat_init.connect(weak=False)
def make_up_for_what_was_missed(**kwargs: object) -> None:
    from config import timetable

    timetable.make_up()


@receiver(bind_extra_task_metadata)
def name_the_task(task: Task[Any, Any], **kwargs: object) -> None:
    structlog.contextvars.bind_contextvars(task=task.name)


@setup_logging.connect
def keep_django_logging(**kwargs: object) -> None:
    """Leave logging as Django configured it; connecting is what stops Celery from replacing it."""
