"""What the services themselves say of our keys' plans, which others may be using up too."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from rates.coins import policies
from rates.coins.services import asking, refresh
from rates.coins.sources.listing import Plan, SourceFailed
from rates.models import CoinSource, CoinSourceState

logger = structlog.get_logger(__name__)


def read_plans(now: datetime) -> list[str]:
    """Ask every source with a key that can tell; the names of those that told something.

    One that fails here keeps what it said last, and is asked for coins as before.
    """
    told = []
    for source in CoinSource.objects.filter(enabled=True).order_by("name"):
        if not refresh.has_key(source):
            continue
        try:
            with asking.failing_plainly(source.name):
                plan = refresh.adapter_of(source).plan()
        except SourceFailed as problem:
            logger.warning("plan not read", source=source.name, kind=problem.kind)
            continue
        if plan is not None:
            _keep(source, plan, now)
            told.append(source.name)
    return told


@transaction.atomic
def _keep(source: CoinSource, plan: Plan, now: datetime) -> None:
    state = CoinSourceState.objects.select_for_update().get(source=source)
    state.plan_credits = plan.credits
    # The plan's month may begin on another day than ours, so what is told never gives credits back.
    state.credits = max(refresh.used_credits(state, now), plan.used or 0)
    state.month = policies.month_of(now)
    state.save(update_fields=["plan_credits", "credits", "month"])
