"""The operators' decisions as one document for the feed: resolved here, published to Valkey."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog
from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils import timezone
from opentelemetry import propagate
from redis.exceptions import RedisError

from foundation import valkey
from rates.constants import CHANNEL_CONTROL, KEY_FEED, KEY_SPREADS, KEY_SPREADS_VERSION
from rates.models import Pair, PairHalt, SpreadRule

logger = structlog.get_logger(__name__)

# Two operators may commit in one order and publish in the other: the lower version loses.
PUBLISH = """
if tonumber(redis.call('GET', KEYS[2]) or '-1') > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """Whether the feed quotes with a change, and how long after the change was made."""

    live: bool
    milliseconds: int | None


def publish_on_commit() -> None:
    """Publish once the running transaction is in the database. A failure never undoes the save."""
    transaction.on_commit(publish, robust=True)


def publish() -> bool:
    """Write the table to Valkey and tell the feed; ``False`` when Valkey is down or knows better.

    Nothing is lost then: the feed compares versions itself.
    """
    table = resolve()
    # The feed applies it within the trace of whoever made the change.
    if trace := _trace():
        table["trace"] = trace
    notice = json.dumps({"t": "spreads", "v": table["version"]}, separators=(",", ":"))
    body = json.dumps(table, separators=(",", ":"), ensure_ascii=False)
    try:
        done = valkey.client().eval(
            PUBLISH, 2, KEY_SPREADS, KEY_SPREADS_VERSION,
            table["version"], body, CHANNEL_CONTROL, notice,
        )  # fmt: skip
    except RedisError as problem:
        logger.warning("spreads not published", version=table["version"], error=str(problem))
        return False
    return bool(done)


def _trace() -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def applied(version: int) -> Applied:
    """Whether the feed has acknowledged table ``version``; "no" while Valkey is down."""
    try:
        answer = valkey.client().hmget(KEY_FEED, ["applied_v", "applied_at"])
    except RedisError as problem:
        logger.warning("feed not asked", error=str(problem))
        return Applied(live=False, milliseconds=None)
    known, at = cast("list[bytes | None]", answer)
    if known is None or int(known) < version:
        return Applied(live=False, milliseconds=None)
    if int(known) > version or at is None or (made := _made_at(version)) is None:
        return Applied(live=True, milliseconds=None)
    return Applied(live=True, milliseconds=max(int(at) - milliseconds(made), 0))


def resolve() -> dict[str, Any]:
    """The document of ``rates:spreads`` (docs/architecture.md), from one database snapshot."""
    now = timezone.now()
    with _snapshot():
        pairs = list(Pair.objects.quoted().with_halt())
        rules = list(SpreadRule.objects.in_force_from(at=now).order_by("effective_from", "version"))
        version = max(
            SpreadRule.objects.newest_version(),
            PairHalt.objects.newest_version(),
            Pair.objects.aggregate(v=Max("revision"))["v"] or 0,
        )
    house = [rule for rule in rules if rule.pair_id is None]
    own: dict[int | None, list[SpreadRule]] = {}
    for rule in rules:
        own.setdefault(rule.pair_id, []).append(rule)
    return {
        "version": version,
        "pairs": {pair.code: _entry(pair, own.get(pair.pk, []), house) for pair in pairs},
    }


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, in integers: a float would drop digits."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


@contextmanager
def _snapshot() -> Iterator[None]:
    """Several queries that see one state. Inside a transaction that has begun, what it sees."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _made_at(version: int) -> datetime | None:
    rule = SpreadRule.objects.filter(Q(version=version) | Q(approval_version=version)).first()
    if rule is not None:
        return rule.approved_at or rule.created_at
    return PairHalt.objects.filter(version=version).values_list("at", flat=True).first()


def _entry(pair: Any, own: list[SpreadRule], house: list[SpreadRule]) -> dict[str, Any]:
    """``pair`` carries the annotations of ``PairQuerySet.with_halt``."""
    halted = None
    if pair.last_halt_action == PairHalt.Action.HALT:
        halted = {"reason": pair.last_halt_reason, "at": milliseconds(pair.last_halt_at)}
    return {
        "symbol": pair.ws_symbol,
        "tick": plain(pair.tick_size),
        "decimals": pair.price_decimals,
        "max_age_quiet": pair.max_age_quiet,
        "max_jump_bps": pair.max_jump_bps,
        "halted": halted,
        "rules": list(_rules(own, house)),
    }


def _rules(own: list[SpreadRule], house: list[SpreadRule]) -> Iterator[dict[str, Any]]:
    """The house default until the pair's own first version begins, then its own; never both."""
    begins = own[0].effective_from if own else None
    for rule in house:
        if begins is None:
            yield _rule(rule, until=rule.effective_to)
        elif rule.effective_from < begins:
            yield _rule(rule, until=min(rule.effective_to or begins, begins))
    for rule in own:
        yield _rule(rule, until=rule.effective_to)


def _rule(rule: SpreadRule, *, until: datetime | None) -> dict[str, Any]:
    return {
        "unit": rule.unit,
        "buy": plain(rule.buy),
        "sell": plain(rule.sell),
        "min_bps": plain(rule.min_bps),
        "max_bps": plain(rule.max_bps),
        "version": rule.version,
        "from": milliseconds(rule.effective_from),
        "to": None if until is None else milliseconds(until),
    }


def plain(value: Any) -> str:
    """A decimal without exponent and without zeros that say nothing: ``50``, ``-0.25``."""
    text = f"{value + 0:f}"  # the sum turns -0 into 0
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
