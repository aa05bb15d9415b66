"""The operators' decisions as one document for the feed: resolved here, published to Valkey."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from opentelemetry import propagate
from redis.exceptions import RedisError

from foundation import valkey
from rates.constants import CHANNEL_CONTROL, KEY_FEED, KEY_SPREADS, KEY_SPREADS_VERSION
from rates.models import PairHalt, SpreadRule

logger = structlog.get_logger(__name__)

# Two operators may commit in one order and publish in the other: the lower version loses.
PUBLISH = """
if tonumber(redis.call('GET', KEYS[2]) or '-1') > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""


# Everything in one statement: it sees one state of the database without a transaction of its own,
# and an edit waits for one round trip instead of nine. Amounts and times leave the database as they
# stand in the document: decimals as text without zeros that say nothing, milliseconds since 1970.
RESOLVE = """
WITH quoted AS (
    SELECT pair.position, pair.code, json_build_object(
        'id', pair.id, 'code', pair.code, 'symbol', pair.ws_symbol,
        'tick', trim_scale(pair.tick_size)::text, 'decimals', pair.price_decimals,
        'max_age_quiet', pair.max_age_quiet, 'max_jump_bps', pair.max_jump_bps,
        'halted', CASE WHEN newest.action = 'halt' THEN json_build_object(
            'reason', newest.reason, 'at', floor(extract(epoch FROM newest.at) * 1000)::bigint) END
    ) AS entry
    FROM rates_pair pair
    LEFT JOIN LATERAL (
        SELECT action, reason, at FROM rates_pairhalt
        WHERE pair_id = pair.id ORDER BY version DESC LIMIT 1
    ) newest ON true
    WHERE pair.enabled
), holding AS (
    SELECT effective_from, version, json_build_object(
        'pair', pair_id, 'unit', unit,
        'buy', trim_scale(buy)::text, 'sell', trim_scale(sell)::text,
        'min_bps', trim_scale(min_bps)::text, 'max_bps', trim_scale(max_bps)::text,
        'version', version,
        'from', floor(extract(epoch FROM effective_from) * 1000)::bigint,
        'to', floor(extract(epoch FROM effective_to) * 1000)::bigint
    ) AS entry
    FROM rates_spreadrule
    WHERE status = 'active' AND (effective_to IS NULL OR effective_to > %(now)s)
)
SELECT
    greatest(
        (SELECT max(version) FROM rates_spreadrule WHERE status IN ('active', 'superseded')),
        (SELECT max(approval_version) FROM rates_spreadrule
         WHERE status IN ('active', 'superseded')),
        (SELECT max(version) FROM rates_pairhalt),
        (SELECT max(revision) FROM rates_pair),
        0),
    (SELECT json_agg(entry ORDER BY position, code) FROM quoted)::text,
    (SELECT json_agg(entry ORDER BY effective_from, version) FROM holding)::text
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
    with connection.cursor() as cursor:
        cursor.execute(RESOLVE, {"now": timezone.now()})
        version, pairs, rules = cursor.fetchone()
    own: dict[int | None, list[dict[str, Any]]] = {}
    for rule in json.loads(rules or "[]"):
        own.setdefault(rule.pop("pair"), []).append(rule)
    house = own.get(None, [])
    return {
        "version": version,
        "pairs": {
            pair.pop("code"): pair | {"rules": list(_rules(own.get(pair.pop("id"), []), house))}
            for pair in json.loads(pairs or "[]")
        },
    }


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, in integers: a float would drop digits."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def _made_at(version: int) -> datetime | None:
    rule = SpreadRule.objects.filter(Q(version=version) | Q(approval_version=version)).first()
    if rule is not None:
        return rule.approved_at or rule.created_at
    return PairHalt.objects.filter(version=version).values_list("at", flat=True).first()


def _rules(own: list[dict[str, Any]], house: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The house default until the pair's own first version begins, then its own; never both."""
    if not own:
        yield from house
        return
    begins = own[0]["from"]
    for rule in house:
        if rule["from"] < begins:
            yield rule | {"to": min(rule["to"] or begins, begins)}
    yield from own


def plain(value: Any) -> str:
    """A decimal without exponent and without zeros that say nothing: ``50``, ``-0.25``."""
    text = f"{value + 0:f}"  # the sum turns -0 into 0
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
