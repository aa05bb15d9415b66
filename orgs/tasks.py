"""The organisations' work in the background. The timetable stands in ``config/settings.py``.

A task that is late is dropped by its expiry, and one that fails waits for its next turn: nothing
here is lost by being done later.
"""

from __future__ import annotations

from datetime import UTC

from celery import shared_task
from django.utils import timezone

from orgs.services import (
    board,
    invitations,
    live_figures,
    mail_trends,
    movers,
    own_actions,
    partitions,
    recount,
)


@shared_task(name="orgs.keep_event_partitions")
def keep_event_partitions() -> None:
    """Days ahead first: without them, events of tomorrow would wait for somebody to notice."""
    now = timezone.now()
    partitions.make_ahead(now)
    partitions.drop_old(now)
    live_figures.forget_old(now)


@shared_task(name="orgs.count_own_actions")
def count_own_actions() -> int:
    """What the desk's own pages have noted becomes events; a turn that is lost is made up for."""
    return own_actions.count_waiting()


@shared_task(name="orgs.roll_today")
def roll_today() -> None:
    """And yesterday: what came in its last minute was not yet in its last roll."""
    recount.roll(recount.open_days(timezone.now())[-2:])


@shared_task(name="orgs.roll_open_days")
def roll_open_days() -> None:
    """Late events change days that have passed."""
    recount.roll(recount.open_days(timezone.now()))


# A million organisations take twenty seconds, ten million some minutes.
@shared_task(name="orgs.build_boards", time_limit=1800, soft_time_limit=1740)
def build_boards() -> int:
    """Build the boards that are due; a second run at the same time does nothing."""
    return len(board.build_due(timezone.now()))


@shared_task(name="orgs.count_movers")
def count_movers() -> None:
    """Compare the last seven days with those before, for the page of the whole desk."""
    movers.count(timezone.now().astimezone(UTC).date())


@shared_task(name="orgs.forget_invitations")
def forget_invitations() -> int:
    return invitations.forget_ended(timezone.now())


@shared_task(name="orgs.note_mail_days")
def note_mail_days() -> None:
    """The first turn of a day notes what it began with; after its first hour nobody knows that."""
    now = timezone.now().astimezone(UTC)
    if now.hour == 0:
        mail_trends.note(now.date())
