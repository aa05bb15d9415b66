"""Changing what the desk adds to the market's prices: every change is a new version with a reason.

Writers wait for each other (``versions.serialise``), so version numbers rise in commit order, and
the feed hears of a change as soon as it is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from foundation.errors import InvalidInput, PreconditionFailed, QuaysideError
from rates.constants import PUBLIC_TIER
from rates.models import Pair, PriceTier, SpreadRule
from rates.querysets import SpreadRuleQuerySet
from rates.services import four_eyes, markets, reasons, rights, spread_table, versions
from rates.services.quoting import Spread
from rates.services.spread_check import Change, check, is_inward, refuse

# A later date is a slip of the keyboard rather than a plan.
FARTHEST: Final = timedelta(days=366)


def set_spread(
    *,
    pair: Pair | None,
    unit: str,
    buy: Decimal,
    sell: Decimal,
    reason: str,
    by: User | None,
    origin: str,
    min_bps: Decimal | None = None,
    max_bps: Decimal | None = None,
    effective_from: datetime | None = None,
    expected_version: int | None = None,
) -> SpreadRule:
    """Store the next version of a pair's spread, or of the house default for ``pair=None``.

    The result is active, scheduled when ``effective_from`` lies ahead, or pending a second person.
    ``by=None`` is the first set-up, which asks nobody. Raises ``SpreadRefused`` and
    ``InvalidInput`` naming the fields, ``Forbidden``, and ``PreconditionFailed`` when somebody was
    faster.
    """
    change = Change(
        pair=pair,
        unit=unit,
        buy=buy,
        sell=sell,
        min_bps=min_bps,
        max_bps=max_bps,
        effective_from=effective_from,
        expected_version=expected_version,
    )
    return enter(change, reason=reason, by=by, origin=origin)


@transaction.atomic
def enter(change: Change, *, reason: str, by: User | None, origin: str) -> SpreadRule:
    """``set_spread`` for a change that is at hand as one value."""
    if by is not None:
        rights.require(by, rights.EDIT)
    text = reasons.checked(reason)
    versions.serialise()
    rule = _insert(change, reason=text, by=by, origin=origin)
    spread_table.publish_on_commit()
    return rule


@transaction.atomic
def set_spreads_bulk(changes: Sequence[Change], *, reason: str, by: User) -> list[SpreadRule]:
    """Store all changes or none. Raises ``InvalidInput`` whose fields are the pairs' codes."""
    rights.require(by, rights.EDIT)
    text = reasons.checked(reason)
    if len({change.label for change in changes}) < len(changes):
        raise InvalidInput("A pair stands in the list twice.", code="duplicate_pair")
    versions.serialise()
    rules: list[SpreadRule] = []
    refused: dict[str, list[str]] = {}
    for change in changes:
        try:
            rules.append(_insert(change, reason=text, by=by, origin=SpreadRule.Origin.BULK))
        except QuaysideError as problem:
            refused[change.label] = [problem.message]
    if refused:
        raise InvalidInput("Nothing was changed.", code="bulk_refused", fields=refused)
    spread_table.publish_on_commit()
    return rules


def revert(
    *, rule: SpreadRule, reason: str, by: User, expected_version: int | None = None
) -> SpreadRule:
    """Bring an old version's values back as a new version. Raises what ``set_spread`` raises."""
    if rule.status not in (SpreadRule.Status.ACTIVE, SpreadRule.Status.SUPERSEDED):
        raise InvalidInput("A version that never held cannot come back.", code="never_held")
    change = Change(
        pair=rule.pair,
        unit=rule.unit,
        buy=rule.buy,
        sell=rule.sell,
        min_bps=rule.min_bps,
        max_bps=rule.max_bps,
        expected_version=expected_version,
    )
    return enter(change, reason=reason, by=by, origin=SpreadRule.Origin.REVERT)


def standing(pair: Pair | None) -> SpreadRule | None:
    """The newest decision for a pair: its own open version, else that of the house default."""
    found = SpreadRule.objects.open().select_related("created_by")
    own = found.of(pair).first()
    return own or (found.of(None).first() if pair else None)


def history(pair: Pair | None) -> SpreadRuleQuerySet:
    """Every version of a pair's own spread, or of the house default, newest first."""
    return SpreadRule.objects.of(pair).for_display()


def dry_run(change: Change, *, by: User | None) -> tuple[Spread, SpreadRule | None]:
    """What ``enter`` would store and what it would follow. Raises what ``enter`` raises."""
    before = standing(change.pair)
    _check_expected(change, before)
    spread = check(change, standing=before, market=_market(change.pair))
    if by is not None and is_inward(spread):
        rights.require(by, rights.FAVOUR_CUSTOMER)
    _start(change, now=timezone.now())
    return spread, before


def begin(rule: SpreadRule, *, start: datetime) -> None:
    """End what ``rule`` follows at ``start``, and cancel what was scheduled after it."""
    now = timezone.now()
    follows = SpreadRule.objects.in_force_from(at=start).of(rule.pair).filter(tier=rule.tier)
    for old in follows.exclude(pk=rule.pk).select_for_update():
        old.effective_to = max(start, old.effective_from)
        if start <= now or old.effective_from >= start:
            old.status = SpreadRule.Status.SUPERSEDED
        old.save(update_fields=["effective_to", "status"])


def _insert(change: Change, *, reason: str, by: User | None, origin: str) -> SpreadRule:
    spread, before = dry_run(change, by=by)
    waits = by is not None and four_eyes.needed(
        change, spread, standing=before, market=_market(change.pair)
    )
    now = timezone.now()
    follows = before if before and before.pair_id == _pk(change.pair) else None
    rule = SpreadRule(
        pair=change.pair,
        tier=PriceTier.objects.get(code=PUBLIC_TIER),
        unit=spread.unit,
        buy=spread.buy,
        sell=spread.sell,
        min_bps=spread.min_bps,
        max_bps=spread.max_bps,
        effective_from=_start(change, now=now),
        status=SpreadRule.Status.PENDING if waits else SpreadRule.Status.ACTIVE,
        version=versions.draw(),
        supersedes=follows,
        reason=reason,
        origin=origin,
        created_at=now,
        created_by=by,
    )
    if not waits:
        begin(rule, start=rule.effective_from)
    rule.save(force_insert=True)
    return rule


def _check_expected(change: Change, before: SpreadRule | None) -> None:
    if change.expected_version is None:
        return
    if before is None and change.expected_version != 0:
        raise PreconditionFailed(f"{change.label} has no version yet.", code="version_changed")
    if before is not None and before.version != change.expected_version:
        raise PreconditionFailed(
            f"{change.label} is at version {before.version}, set by "
            f"{before.created_by or 'the system'} at {before.created_at:%H:%M:%S} UTC"
            f" ({before.reason}), not at {change.expected_version}.",
            code="version_changed",
        )


def _start(change: Change, *, now: datetime) -> datetime:
    wanted = change.effective_from
    if wanted is None:
        return now
    if wanted < now:
        refuse({"effective_from": "This moment has passed; leave it empty to act at once."})
    if wanted - now > FARTHEST:
        refuse({"effective_from": "At most a year ahead."})
    return wanted


def _market(pair: Pair | None) -> markets.Market | None:
    return markets.last_market(pair.code) if pair else None


def _pk(pair: Pair | None) -> int | None:
    return pair.pk if pair else None
