"""Stopping and resuming the quotes of one pair, which one person may always do."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from foundation.errors import Conflict
from rates.models import Pair, PairHalt
from rates.services import reasons, spread_table, versions
from rates.services.rights import EDIT, require


def halt(*, pair: Pair, reason: str, by: User) -> PairHalt:
    """Withdraw the pair's quotes. Raises ``Conflict`` when it is halted already."""
    return _record(pair, PairHalt.Action.HALT, reason, by)


def resume(*, pair: Pair, reason: str, by: User) -> PairHalt:
    """Quote the pair again. Raises ``Conflict`` when it is not halted."""
    return _record(pair, PairHalt.Action.RESUME, reason, by)


def current(pair: Pair) -> PairHalt | None:
    """The halt that holds, if any."""
    newest = pair.halts.select_related("by").order_by("-version").first()
    return newest if newest and newest.action == PairHalt.Action.HALT else None


@transaction.atomic
def _record(pair: Pair, action: PairHalt.Action, reason: str, by: User) -> PairHalt:
    require(by, EDIT)
    text = reasons.checked(reason)
    version = versions.draw()
    standing = current(pair)
    if action == PairHalt.Action.HALT and standing is not None:
        raise Conflict(f"{pair} was halted by {standing.by}: {standing.reason}", code="halted")
    if action == PairHalt.Action.RESUME and standing is None:
        raise Conflict(f"{pair} is not halted.", code="not_halted")
    row = PairHalt.objects.create(
        pair=pair, action=action, reason=text, by=by, at=timezone.now(), version=version
    )
    spread_table.publish_on_commit()
    return row
