"""Writes what a new list changes for those who are called, with the list or not at all."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from rates.coins import constants as c
from rates.coins.services import notices
from rates.coins.services.coin_list import CoinList
from rates.coins.services.rendering import compact
from rates.models import CoinMoveBase, Webhook, WebhookDelivery, WebhookEvent

EVENT = "coins.changed"


def queue(before: CoinList | None, after: CoinList) -> int:
    """Queue a call to everybody whom ``after`` concerns; returns how many.

    To be called in the transaction that stores ``after``, one at a time: then a process that is
    killed leaves either both or nothing.
    """
    listening: dict[str, list[int]] = defaultdict(list)
    for number, key in Webhook.objects.called().values_list("pk", "key"):
        listening[key].append(number)
    told = _changes(before, after, set(listening))
    for key, changes in told.items():
        event = WebhookEvent.objects.create(
            key=key, version=after.version, body=body(key, notices.facts(after, changes))
        )
        calls = [WebhookDelivery(webhook_id=number, event=event) for number in listening[key]]
        WebhookDelivery.objects.bulk_create(calls)
    return sum(len(listening[key]) for key in told)


def body(key: str, data: dict[str, Any]) -> str:
    """``{"type", "timestamp", "data"}``; ``data`` is that of the push, and under which key."""
    facts = {"type": EVENT, "timestamp": data["as_of"], "data": {"on": key, **data}}
    return compact(facts).decode()


def _changes(
    before: CoinList | None, after: CoinList, keys: set[str]
) -> dict[str, list[dict[str, Any]]]:
    """Key to what it has to tell; keys without anything are absent."""
    told, was = {}, notices.places(before)
    if "rank" in keys and (before is None or before.rank_hash != after.rank_hash):
        told["rank"] = notices.rank_changes(was, after)
    if "price" in keys and (before is None or before.hash != after.hash):
        told["price"] = notices.price_changes(was, after)
    used = [step for step in c.THRESHOLDS if notices.threshold_key(step) in keys]
    bases = {base.threshold: base.prices for base in CoinMoveBase.objects.all()}
    # A base that nobody measures from grows old; whoever comes next begins anew.
    CoinMoveBase.objects.filter(threshold__in=set(bases) - set(used)).delete()
    start = {row["symbol"]: row["price"] for row in (before or after).rows}
    for step in used:
        moves, base = notices.moves(bases.get(step, start), after, step)
        if moves:
            told[notices.threshold_key(step)] = moves
        if base != bases.get(step):
            CoinMoveBase.objects.update_or_create(threshold=step, defaults={"prices": base})
    return told
