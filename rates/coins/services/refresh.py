"""Ask the sources that are due, keep what they said, and merge it into the list that is served.

Prices and ranks are refreshed apart. Each source is asked once a period whoever needs it, and what
it said last stays until it says something better.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from django.conf import settings
from django.db import DataError, transaction
from django.db.models import F
from django.utils import timezone
from redis.exceptions import RedisError

from foundation import valkey
from rates.coins import constants as c
from rates.coins import policies
from rates.coins.services import asking, board, merge, notices, webhook_events
from rates.coins.services.coin_list import CoinList, Row, unpack
from rates.coins.sources import ADAPTERS
from rates.coins.sources.listing import MOST_CREDITS, Adapter, Fetched, Kind, Listing, SourceFailed
from rates.models import CoinAlias, CoinPoint, CoinSnapshot, CoinSource, CoinSourceState

logger = structlog.get_logger(__name__)

Purpose = Literal["price", "rank"]
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Outcome:
    """What one refresh did: who was asked, who failed how, and the list if it is a new one."""

    asked: list[str]
    failed: dict[str, Kind]
    published: CoinList | None


def refresh(purpose: Purpose, *, clock: Clock = timezone.now) -> Outcome:
    """Fetch from every source of ``purpose`` that is due, and publish the merge as answers come."""
    due = claim(purpose, clock())
    failed: dict[str, Kind] = {}
    published = None
    for batch in asking.ask_all([(source, adapter_of(source)) for source in due], clock):
        problems = {source.name: _keep(source, answer, at) for source, answer, at in batch}
        failed |= {name: problem.kind for name, problem in problems.items() if problem}
        if None in problems.values():
            published = publish(clock()) or published
    return Outcome([source.name for source in due], failed, published)


def fetch_first(*, clock: Clock = timezone.now) -> list[str]:
    """Refresh if nothing was ever served; the names of those who were asked."""
    if CoinSnapshot.objects.exists():
        return []
    return [*refresh("price", clock=clock).asked, *refresh("rank", clock=clock).asked]


def claim(purpose: Purpose, now: datetime) -> list[CoinSource]:
    """The sources to ask now, marked as asked so that nobody else does."""
    with transaction.atomic():
        states = CoinSourceState.objects.select_for_update(of=("self",), skip_locked=True)
        wanted = {f"source__{purpose}_position__isnull": False, "source__enabled": True}
        due = [s for s in states.select_related("source").filter(**wanted) if is_due(s, now)]
        CoinSourceState.objects.filter(pk__in=[s.pk for s in due]).update(tried_at=now)
    return [state.source for state in due]


def is_due(state: CoinSourceState, now: datetime) -> bool:
    """Whether breaker, budget and period let the source be asked."""
    source = state.source
    if not (has_key(source) or source.keyless):
        return False
    if state.next_allowed_at is not None and now < state.next_allowed_at:
        return False
    pause = _interval(state, now)
    if pause is None:
        return False
    if state.fetched_at is None:
        pause = policies.FIRST_PAUSE + policies.SLACK
    return state.tried_at is None or now >= state.tried_at + pause - policies.SLACK


def take(name: str, now: datetime) -> CoinSource | None:
    """The source, charged for one more call; ``None`` if it may not be asked now."""
    with transaction.atomic():
        states = CoinSourceState.objects.select_for_update(of=("self",)).select_related("source")
        state = states.get(source__name=name)
        source = state.source
        pause = _interval(state, now)
        resting = state.next_allowed_at is not None and now < state.next_allowed_at
        known = has_key(source) or source.keyless
        if not (source.enabled and known) or resting or pause is None:
            return None
        _charge(state, ADAPTERS[name].credits(source.rows), now)
        state.save()
    return source


def _interval(state: CoinSourceState, now: datetime) -> timedelta | None:
    source = state.source
    return policies.interval(
        now,
        cost=ADAPTERS[source.name].credits(source.rows),
        allowance=allowance(state),
        used=used_credits(state, now),
    )


def allowance(state: CoinSourceState) -> int | None:
    """Credits of a month: what the operator grants, and no more than the plan has."""
    known = [n for n in (state.source.monthly_credits, state.plan_credits) if n is not None]
    return min(known, default=None)


def used_credits(state: CoinSourceState, now: datetime) -> int:
    """Credits of the running month."""
    return state.credits if state.month == policies.month_of(now) else 0


def has_key(source: CoinSource) -> bool:
    return bool(source.key_variable and os.environ.get(source.key_variable))


def adapter_of(source: CoinSource) -> Adapter:
    url = settings.COIN_SOURCE_URLS[source.name]
    return ADAPTERS[source.name](url, key=_key_of(source), wire=source.wire)


def _key_of(source: CoinSource) -> str:
    return os.environ.get(source.key_variable, "") if source.key_variable else ""


def _keep(source: CoinSource, answer: Fetched | SourceFailed, now: datetime) -> SourceFailed | None:
    """As ``record``; an answer that the tables refuse is a failure of its source alone."""
    try:
        return record(source, answer, now)
    except (DataError, ValueError, ArithmeticError) as problem:
        logger.exception("coin source not kept", source=source.name)
        refused = SourceFailed(Kind.REFUSED, f"not kept: {type(problem).__name__}")
        return record(source, refused, now)


def record(
    source: CoinSource, answer: Fetched | SourceFailed, now: datetime
) -> SourceFailed | None:
    """Keep what the source said; the failure, if it was one or its list has shrunken."""
    with transaction.atomic():
        state = CoinSourceState.objects.select_for_update().get(source=source)
        if isinstance(answer, Fetched):
            _charge(state, answer.credits, now)
            before = min(len(state.rows), source.rows)
            if shrunken(before, len(answer.rows), state.fetched_at, now):
                what = f"{len(answer.rows)} rows after {len(state.rows)}"
                answer = SourceFailed(Kind.SHRUNKEN, what)
        if isinstance(answer, SourceFailed):
            state.failures += 1
            state.error, state.message = answer.kind, answer.message
            state.failed_at = now
            state.next_allowed_at = policies.next_attempt(
                answer.kind,
                now,
                retry_after=answer.retry_after,
                first=state.fetched_at is None,
                keyed=bool(_key_of(source)),
            )
        else:
            state.rows = [list(row) for row in answer.rows]
            state.fetched_at, state.failures = now, 0
            state.error, state.message, state.next_allowed_at = "", "", None
        state.save()
    if isinstance(answer, SourceFailed):
        logger.warning("coin source failed", source=source.name, kind=answer.kind)
        return answer
    return None


def _charge(state: CoinSourceState, credits: int, now: datetime) -> None:
    state.credits = used_credits(state, now) + min(credits, MOST_CREDITS)
    state.month = policies.month_of(now)


def shrunken(before: int, after: int, when: datetime | None, now: datetime) -> bool:
    """Whether ``after`` rows are suspiciously few; an old list is forgiven for any."""
    if after == 0:
        return True
    if when is None or now - when > c.FORGIVES_SHRINKING:
        return False
    return after < before * c.LEAST_SHARE


# --- Merging and publishing -----------------------------------------------------------------


def publish(now: datetime) -> CoinList | None:
    """Merge the last good rows and serve the result; ``None`` where there is nothing better."""
    with transaction.atomic():
        # One at a time: prices and ranks may be refreshed in the same moment.
        list(CoinSource.objects.select_for_update().order_by("pk").values_list("pk"))
        newest = CoinSnapshot.objects.newest()
        before = None if newest is None else unpack(newest.version, newest.body)
        shown, short = _longest(merged(now, version=_version(before, now)), before, now)
        if shown is not None:
            _store(shown, now)
            webhook_events.queue(before, shown)
    # After the commit: what is served is never newer than what would survive.
    try:
        if short:
            logger.warning("coins withheld", rows=short, served=shown and shown.rank_source)
            valkey.client().incr(c.KEY_WITHHELD)
        if shown is not None and board.write(shown):
            notices.publish(shown)
    except RedisError as problem:
        logger.warning("coins not pushed", error=str(problem))
    return shown


def _longest(
    candidates: Iterable[tuple[CoinList, int]], before: CoinList | None, now: datetime
) -> tuple[CoinList | None, dict[str, int]]:
    """The first list that has not shrunken; by source of ranks, the rows of those that have."""
    short: dict[str, int] = {}
    for shown, most in candidates:
        rows = len(shown.rows)
        if before is None or not shrunken(min(len(before.rows), most), rows, before.as_of, now):
            return shown, short
        short[shown.rank_source] = rows
    return None, short


def merged(now: datetime, *, version: int) -> Iterator[tuple[CoinList, int]]:
    """What the sources' last good rows make together, by each source of ranks in its order.

    Beside each list stands how many rows its sources were asked for.
    """
    states = [
        state
        for state in CoinSourceState.objects.select_related("source").filter(source__enabled=True)
        if state.fetched_at is not None
    ]
    prices = _filling(in_order(states, "price", now), now)
    ranks = _filling(in_order(states, "rank", now), now)
    known = aliases()
    read = {s.source.name: [Listing(*row) for row in s.rows] for s in {*prices, *ranks}}
    priced = [merge.Source(s.source.name, read[s.source.name]) for s in prices]
    most = max((state.source.rows for state in prices), default=0)
    for state in ranks:
        name = state.source.name
        rows = read[name]
        if prices and _old(state, now) > c.FILLS and _old(prices[0], now) <= c.FRESH:
            rows = [row.without_figures() for row in rows]
        result = merge.merge(merge.Source(name, rows), priced, known)
        if result.clashes or result.dropped:
            logger.info("coins left out", **result.dropped, clashes=result.clashes[:20])
        if result.rows:
            shown = _listed(result.rows, states, prices, state, now, version=version)
            yield shown, min(most, state.source.rows)


def aliases() -> dict[tuple[str, str], str]:
    found = CoinAlias.objects.values_list("source__name", "key", "coin")
    return {(name, key): coin for name, key, coin in found}


def _listed(
    rows: list[Row],
    states: Iterable[CoinSourceState],
    prices: Iterable[CoinSourceState],
    ranked: CoinSourceState,
    now: datetime,
    *,
    version: int,
) -> CoinList:
    named = {name for row in rows for name in row["from"].values()}
    priced_by = {row["from"]["price"] for row in rows}
    return CoinList(
        version=version,
        rows=rows,
        sources={
            s.source.name: s.fetched_at for s in states if s.fetched_at and s.source.name in named
        },
        price_source=next(s.source.name for s in prices if s.source.name in priced_by),
        rank_source=ranked.source.name,
        ranks_last=int(_lasts(ranked, "rank", now).total_seconds()),
        simulated=settings.SIMULATED,
    )


def _filling(states: list[CoinSourceState], now: datetime) -> list[CoinSourceState]:
    """Those that may stand beside each other: with a fresh one, none that is old."""
    if all(_old(state, now) > c.FRESH for state in states):
        return states
    return [state for state in states if _old(state, now) <= c.FILLS]


def _old(state: CoinSourceState, now: datetime) -> timedelta:
    assert state.fetched_at is not None
    return now - state.fetched_at


def _lasts(state: CoinSourceState, purpose: Purpose, now: datetime) -> timedelta:
    """For how long what the source said is fresh.

    Ranks move slowly and differ from source to source, so they stay with one that is asked seldom
    for as long as it answers; with prices another fills in between.
    """
    pause = None if purpose == "price" or state.error else _interval(state, now)
    return c.FRESH if pause is None else max(c.FRESH, pause + c.PERIOD + policies.SLACK)


def in_order(
    states: Iterable[CoinSourceState], purpose: Purpose, now: datetime
) -> list[CoinSourceState]:
    """Fresh ones as an operator has ordered them, then the others, the newest first."""
    name = f"{purpose}_position"
    used = [state for state in states if getattr(state.source, name) is not None]

    def place(state: CoinSourceState) -> tuple[bool, float]:
        assert state.fetched_at is not None
        old = _old(state, now) > _lasts(state, purpose, now)
        return old, -state.fetched_at.timestamp() if old else getattr(state.source, name)

    return sorted(used, key=place)


def _version(before: CoinList | None, now: datetime) -> int:
    """Milliseconds since 1970, and always more than before."""
    return max(int(now.timestamp() * 1000), 0 if before is None else before.version + 1)


def _store(shown: CoinList, now: datetime) -> None:
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    facts = {
        "version": shown.version,
        "as_of": shown.as_of,
        "hash": shown.hash,
        "rank_hash": shown.rank_hash,
        "body": shown.pack(),
    }
    _, is_new = CoinSnapshot.objects.update_or_create(hour=hour, defaults=facts)
    if is_new:
        points = [
            CoinPoint(symbol=row["symbol"], hour=hour, price=row["price"], rank=row["rank"])
            for row in shown.rows
        ]
        CoinPoint.objects.bulk_create(points, ignore_conflicts=True)


def allow_again(source: CoinSource) -> None:
    """Somebody has changed something: ask at the next turn, whatever happened before."""
    CoinSourceState.objects.filter(source=source).update(
        next_allowed_at=None, failures=F("failures")
    )
