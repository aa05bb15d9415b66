"""How each source is: whether it may be asked, what is left of its budget, what went wrong last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min

from foundation.errors import Unavailable
from rates.coins.services import board, merge, refresh
from rates.coins.services.coin_list import CoinList, Row
from rates.coins.sources.listing import Listing
from rates.models import CoinSource, CoinSourceState, WebhookDelivery


@dataclass(frozen=True)
class Health:
    """``state``: ``ok``, ``failing``, ``no key``, ``off``, or ``never asked``."""

    name: str
    label: str
    state: str
    rows: int
    fetched_at: datetime | None
    failures: int
    error: str
    message: str
    failed_at: datetime | None
    next_allowed_at: datetime | None
    credits_used: int
    credits_left: int | None  # None: no end


@dataclass(frozen=True)
class Condition:
    """How the list that is served is: ``detail`` names its sources and those that fail."""

    fresh: bool
    detail: str
    age_seconds: float | None
    as_of: datetime | None


def condition(now: datetime) -> Condition:
    """The newest list and those of its sources that fail."""
    states = CoinSourceState.objects.exclude(error="").filter(source__enabled=True)
    failing = [
        f"{name}: {error}"
        for name, error in states.order_by("source__name").values_list("source__name", "error")
    ]
    try:
        shown = board.current().shown
    except Unavailable:
        return Condition(False, "; ".join(["nothing was fetched yet", *failing]), None, None)
    told = f"{len(shown.rows)} coins, prices {shown.price_source}, ranks {shown.rank_source}"
    age = (now - min(shown.as_of, shown.ranked_at)).total_seconds()
    fresh = not shown.is_stale(now)
    return Condition(fresh, "; ".join([told, *failing]), max(0.0, age), shown.as_of)


def sources(now: datetime) -> list[Health]:
    """Every source, by name."""
    return [health_of(source, now) for source in CoinSource.objects.told().order_by("name")]


def waiting_calls(now: datetime) -> tuple[int, float]:
    """How many calls of webhooks wait, and for how many seconds the oldest one has."""
    waiting = WebhookDelivery.objects.waiting()
    found = waiting.aggregate(count=Count("pk"), oldest=Min("created_at"))
    oldest = found["oldest"]
    return found["count"], 0.0 if oldest is None else (now - oldest).total_seconds()


def listed(name: str) -> list[Row]:
    """What one source said last, ranked as it ranks. Raises ``Unavailable`` if it never did."""
    state = CoinSourceState.objects.get(source__name=name)
    rows = [Listing(*row)._asdict() for row in state.rows]
    if not rows:
        raise Unavailable(f"{name} was never fetched.", code="no_coins")
    return sorted((row for row in rows if row["rank"] and row["price"]), key=lambda r: r["rank"])


def compared(row: Row, shown: CoinList) -> list[dict[str, Any]]:
    """What each source says of a coin of ``shown``, and how far off its price is, in per cent.

    The same rows are taken for the same coin as where lists are merged.
    """
    states = list(CoinSourceState.objects.select_related("source").order_by("source__name"))
    said = {state.source.name: [Listing(*packed) for packed in state.rows] for state in states}
    known, ours = refresh.aliases(), (row["symbol"], row["name"], row["rank"], row["price"])
    of_ranks = [item for item in said.get(shown.rank_source, []) if item.symbol == row["symbol"]]
    ranked = min(of_ranks, key=lambda item: item.rank or 10**9, default=Listing("", *ours))
    coin = known.get((shown.rank_source, ranked.key))
    found = []
    for state in states:
        name, best = state.source.name, ranked
        if name != shown.rank_source:
            # The price that is served tells namesakes apart where the ranks have none.
            judged = ranked._replace(price=ranked.price or row["price"])
            index = merge.Index(merge.Source(name, said[name]), known)
            matching = merge.matches(judged, coin, shown.rank_source, [index], [])
            if not matching:
                continue
            best = matching[0][1]
        elif not of_ranks:
            continue
        off = None
        if best.price is not None:
            off = (Decimal(best.price) / Decimal(row["price"]) - 1) * 100
        found.append({"source": str(state.source), "at": state.fetched_at, "row": best, "off": off})
    return found


def health_of(source: Any, now: datetime) -> Health:
    """That of a source which ``told`` has read."""
    state = source.state
    used = refresh.used_credits(state, now)
    allowance = refresh.allowance(state)
    left = None if allowance is None else max(0, allowance - used)
    if not source.enabled:
        word = "off"
    elif not (refresh.has_key(source) or source.keyless):
        word = "no key"
    elif state.error:
        word = "failing"
    else:
        word = "ok" if state.fetched_at else "never asked"
    return Health(
        name=source.name,
        label=str(source),
        state=word,
        rows=source.kept,
        fetched_at=state.fetched_at,
        failures=state.failures,
        error=state.error,
        message=state.message,
        failed_at=state.failed_at,
        next_allowed_at=state.next_allowed_at,
        credits_used=used,
        credits_left=left,
    )
