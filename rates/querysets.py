"""Questions that may be asked of the rates' tables."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from django.apps import apps
from django.db import models
from django.db.models import Count, Exists, F, Func, IntegerField, OuterRef, Q, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

if TYPE_CHECKING:
    from rates.models import (  # noqa: F401  # named in strings
        Candle1m,
        CoinPoint,
        CoinSnapshot,
        CoinSource,
        Pair,
        SpreadRule,
        Webhook,
        WebhookDelivery,
    )


LONGEST_UNTOUCHED: Final = (F("claimed_until").asc(nulls_first=True), F("pk").asc())


class PairQuerySet(models.QuerySet["Pair"]):
    def quoted(self) -> Self:
        """Pairs that the feed subscribes to and the board shows, in the board's order."""
        return self.filter(enabled=True).order_by("position", "code")

    def with_halt(self) -> Self:
        """Adds ``last_halt_action``, ``_reason`` and ``_at`` of the newest halt row."""
        # By name: models import this module, not the other way round.
        halts = apps.get_model("rates", "PairHalt")._default_manager
        newest = halts.filter(pair=OuterRef("pk")).order_by("-version")
        return self.annotate(
            last_halt_action=Subquery(newest.values("action")[:1]),
            last_halt_reason=Subquery(newest.values("reason")[:1]),
            last_halt_at=Subquery(newest.values("at")[:1]),
        )


class SpreadRuleQuerySet(models.QuerySet["SpreadRule"]):
    def of(self, pair: Pair | None) -> Self:
        """Versions of one pair, or of the house default for ``None``."""
        return self.filter(pair=pair) if pair else self.filter(pair__isnull=True)

    def in_force(self, *, at: datetime) -> Self:
        """The version of each pair, and of the house default, that holds at ``at``."""
        return self.filter(effective_from__lte=at).in_force_from(at=at)

    def in_force_from(self, *, at: datetime) -> Self:
        """What holds at ``at`` and everything scheduled after it."""
        return self.filter(status="active").filter(
            Q(effective_to__isnull=True) | Q(effective_to__gt=at)
        )

    def open(self) -> Self:
        """The newest decision of each pair and of the house default, in force or scheduled."""
        return self.filter(status="active", effective_to__isnull=True)

    def pending(self) -> Self:
        """Versions that wait for a second person, oldest first."""
        return self.filter(status="pending").order_by("version")

    def for_display(self) -> Self:
        """With everything a line of the history shows, newest first."""
        return self.select_related(
            "pair", "created_by", "approved_by", "rejected_by", "supersedes__pair"
        ).order_by("-version")


class CandleQuerySet(models.QuerySet["Candle1m"]):
    def of(self, pair: Pair, *, start: datetime, end: datetime) -> Self:
        """Candles that begin in ``[start, end)``, oldest first."""
        return self.filter(pair=pair, bucket__gte=start, bucket__lt=end).order_by("bucket")


class CoinSourceQuerySet(models.QuerySet["CoinSource"]):
    def in_use(self) -> Self:
        """Those that may be asked, each with its state read along."""
        return self.filter(enabled=True).select_related("state")

    def told(self) -> Self:
        """With how each is; of its last good rows only how many there are, as ``kept``."""
        count = Func(F("state__rows"), function="jsonb_array_length", output_field=IntegerField())
        return self.select_related("state").defer("state__rows").annotate(kept=count)


class CoinSnapshotQuerySet(models.QuerySet["CoinSnapshot"]):
    def newest(self) -> CoinSnapshot | None:
        """What is served now; ``None`` before the first refresh."""
        return self.order_by("-version").first()


class CoinPointQuerySet(models.QuerySet["CoinPoint"]):
    def of(self, symbol: str, *, since: datetime) -> Self:
        """Oldest first."""
        return self.filter(symbol=symbol, hour__gte=since).order_by("hour")


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def called(self) -> Self:
        """Those that are switched on, of people who still may sign in."""
        return self.filter(off="", owner__is_active=True)

    def due(self, now: datetime) -> Self:
        """Those with a call waiting that may be made now, the longest untouched first."""
        calls = apps.get_model("rates", "WebhookDelivery")._default_manager
        waiting = calls.filter(webhook=OuterRef("pk"), state="pending")
        return (
            self.called()
            .filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
            .filter(Q(claimed_until=None) | Q(claimed_until__lte=now))
            .filter(Exists(waiting))
            .order_by(*LONGEST_UNTOUCHED)
        )

    def shared_out(self, now: datetime, most: int) -> Self:
        """Of each owner's only so many that no more than ``most`` of them are called at once."""
        hooks = self.model._default_manager
        called = hooks.filter(owner=OuterRef("owner"), claimed_until__gt=now).order_by()
        number = called.values("owner").annotate(number=Count("pk")).values("number")
        turn = Window(RowNumber(), partition_by=F("owner"), order_by=LONGEST_UNTOUCHED)
        return self.annotate(turn=turn, called_now=Coalesce(Subquery(number), 0)).filter(
            turn__lte=most - F("called_now")
        )


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def waiting(self) -> Self:
        return self.filter(state="pending", webhook__off="")
