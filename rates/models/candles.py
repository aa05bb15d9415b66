"""Minute candles of the market's bid and ask, in monthly partitions."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from rates.models.pairs import Pair
from rates.querysets import CandleQuerySet


class Candle1m(models.Model):
    """Open, high, low and close of bid and ask in the minute that starts at ``bucket`` (UTC)."""

    pk = models.CompositePrimaryKey("pair_id", "bucket")
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="+", db_index=False)
    bucket = models.DateTimeField()
    bid_o = models.DecimalField(max_digits=24, decimal_places=12)
    bid_h = models.DecimalField(max_digits=24, decimal_places=12)
    bid_l = models.DecimalField(max_digits=24, decimal_places=12)
    bid_c = models.DecimalField(max_digits=24, decimal_places=12)
    ask_o = models.DecimalField(max_digits=24, decimal_places=12)
    ask_h = models.DecimalField(max_digits=24, decimal_places=12)
    ask_l = models.DecimalField(max_digits=24, decimal_places=12)
    ask_c = models.DecimalField(max_digits=24, decimal_places=12)
    ticks = models.PositiveIntegerField()
    spread_version = models.PositiveBigIntegerField()
    # Which ticks are inside: a list of [epoch, first seq, last seq, ticks], so that a part stored
    # twice is told from a second part.
    parts = models.JSONField(default=list)

    objects: ClassVar[CandleQuerySet] = CandleQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "rates_candle1m"

    def __str__(self) -> str:
        return f"{self.pair_id} {self.bucket:%Y-%m-%d %H:%M}"
