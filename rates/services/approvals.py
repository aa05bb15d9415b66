"""The second person: approving and rejecting versions that wait."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from foundation.errors import Conflict, Forbidden
from rates.models import SpreadRule
from rates.services import markets, reasons, rights, spread_table, spreads, versions
from rates.services.spread_check import Change, check, is_inward


@transaction.atomic
def approve(*, rule: SpreadRule, by: User) -> SpreadRule:
    """Bring a waiting version into force, at its time or now. It is checked again.

    Raises ``Forbidden`` (the author, or no right), ``Conflict`` when it was decided already or when
    another version came first, and ``SpreadRefused`` when the market has moved too far.
    """
    rights.require(by, rights.APPROVE)
    waiting = _waiting(rule)
    if waiting.created_by_id == by.pk:
        raise Forbidden("Somebody else must approve what you entered.", code="own_change")
    _check_still_next(waiting)
    market = markets.last_market(waiting.pair.code) if waiting.pair else None
    spread = check(_as_change(waiting), standing=None, market=market)
    if is_inward(spread):
        rights.require(by, rights.FAVOUR_CUSTOMER)
    now = timezone.now()
    waiting.approval_version = versions.draw()
    waiting.approved_by, waiting.approved_at = by, now
    waiting.effective_from = max(now, waiting.effective_from)
    waiting.status = SpreadRule.Status.ACTIVE
    spreads.begin(waiting, start=waiting.effective_from)
    waiting.save()
    spread_table.publish_on_commit()
    return waiting


@transaction.atomic
def reject(*, rule: SpreadRule, by: User, reason: str) -> SpreadRule:
    """Close a waiting version for good. Its author may withdraw it. Raises as ``approve`` does."""
    text = reasons.checked(reason)
    waiting = _waiting(rule)
    if waiting.created_by_id != by.pk:
        rights.require(by, rights.APPROVE)
    waiting.status = SpreadRule.Status.REJECTED
    waiting.rejected_by, waiting.rejected_at, waiting.rejection = by, timezone.now(), text
    waiting.save()
    return waiting


def _waiting(rule: SpreadRule) -> SpreadRule:
    versions.serialise()
    fresh = SpreadRule.objects.select_for_update(of=("self",)).get(pk=rule.pk)
    if fresh.status != SpreadRule.Status.PENDING:
        raise Conflict(f"Version {fresh.version} is {fresh.status} already.", code="decided")
    return fresh


def _check_still_next(waiting: SpreadRule) -> None:
    newest = SpreadRule.objects.open().of(waiting.pair).select_related("created_by").first()
    if newest is not None and newest.pk != waiting.supersedes_id:
        raise Conflict(
            f"Version {newest.version} by {newest.created_by or 'the system'} came first: "
            "enter the change again.",
            code="outdated",
        )


def _as_change(rule: SpreadRule) -> Change:
    return Change(
        pair=rule.pair,
        unit=rule.unit,
        buy=rule.buy,
        sell=rule.sell,
        min_bps=rule.min_bps,
        max_bps=rule.max_bps,
    )
