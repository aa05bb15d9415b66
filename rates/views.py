"""The pages of rates: the board, and one page a pair. They read Valkey and PostgreSQL only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from rates.constants import BPS, LIVE
from rates.models import Pair
from rates.services import board as board_service
from rates.services import sparklines, spreads

EDIT_SPREADS = "rates.edit_spreads"
# The drawing's own units; the page scales it.
SPARK_WIDTH, SPARK_HEIGHT, SPARK_INSET = 96, 28, 2
HISTORY_ROWS = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One pair as the pages show it. Prices are ``None`` where there is none to show."""

    code: str
    decimals: int
    state: str
    reason: str
    ask: Decimal | None
    bid: Decimal | None
    buy: Decimal | None
    sell: Decimal | None
    last: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: Decimal | None
    change: Decimal | None
    received: datetime | None
    series: sparklines.Points = field(default_factory=list)
    edit_id: int | None = None

    @property
    def base(self) -> str:
        return self.code.partition("_")[0]

    @property
    def quote(self) -> str:
        return self.code.partition("_")[2]

    @property
    def is_live(self) -> bool:
        return self.state == LIVE

    @property
    def spread(self) -> Decimal | None:
        """What lies between the customer's two prices, in the quote currency."""
        return None if self.buy is None or self.sell is None else self.buy - self.sell

    @property
    def spread_bps(self) -> Decimal | None:
        if self.buy is None or self.sell is None:
            return None
        return (self.buy - self.sell) * 2 * BPS / (self.buy + self.sell)

    @property
    def direction(self) -> str:
        return "none" if not self.change else "up" if self.change > 0 else "down"

    @property
    def series_text(self) -> str:
        """``slot:price`` items that the page's module parses and goes on drawing."""
        return " ".join(f"{slot}:{value.normalize():f}" for slot, value in self.series)

    @property
    def spark_points(self) -> str:
        """The polyline's ``points``; empty when there is nothing to connect."""
        if len(self.series) < 2:
            return ""
        values = [value for _, value in self.series]
        low, span = min(values), (max(values) - min(values)) or Decimal(1)
        height = SPARK_HEIGHT - 2 * SPARK_INSET
        return " ".join(
            f"{slot * SPARK_WIDTH / (sparklines.SLOTS - 1):.1f},"
            f"{SPARK_HEIGHT - SPARK_INSET - float((value - low) / span) * height:.1f}"
            for slot, value in self.series
        )


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """Every pair, as customers see it. Live updates come over the websocket."""
    snapshot = board_service.read()
    lines = sparklines.sparklines(timezone.now())
    ids = _edit_ids() if request.user.has_perm(EDIT_SPREADS) else {}
    rows = [
        _row(code, entry, series=lines.get(code, []), edit_id=ids.get(code))
        for code, entry in snapshot.entries.items()
    ]
    context = {
        "rows": rows,
        "snapshot": snapshot,
        "can_edit": bool(ids),
        "now_ms": _milliseconds(),
    }
    return render(request, "rates/board.html", context)


@require_safe
def pair(request: HttpRequest, code: str) -> HttpResponse:
    """One pair: prices, chart, statistics, and how to read it from a program."""
    snapshot = board_service.read()
    entry = snapshot.entries.get(code)
    if entry is None:
        context = {"code": code, "known": list(snapshot.entries)}
        return render(request, "rates/unknown_pair.html", context, status=404)
    record = Pair.objects.get(code=code)
    can_edit = request.user.has_perm(EDIT_SPREADS)
    context = {
        "row": _row(code, entry, edit_id=record.pk if can_edit else None),
        "snapshot": snapshot,
        "can_edit": can_edit,
        "history": spreads.history(record)[:HISTORY_ROWS] if can_edit else None,
        "http_url": request.build_absolute_uri(f"/api/v1/rates/{code}"),
        "sse_url": request.build_absolute_uri(f"/api/v1/live?topics=rates:live&keys={code}"),
        "ws_url": request.build_absolute_uri("/ws/live").replace("http", "ws", 1),
        "now_ms": _milliseconds(),
    }
    return render(request, "rates/pair.html", context)


def _row(
    code: str,
    entry: board_service.Entry,
    *,
    series: sparklines.Points | None = None,
    edit_id: int | None = None,
) -> Row:
    meta = entry.meta
    original, quoted = entry.data.get("original") or {}, entry.data.get("withSpread") or {}
    received = meta.get("received")
    return Row(
        code=code,
        decimals=int(meta.get("decimals", 2)),
        state=meta.get("state", "stale"),
        reason=(meta.get("reason") or "").replace("_", " "),
        ask=original.get("buy"),
        bid=original.get("sell"),
        buy=quoted.get("buy"),
        sell=quoted.get("sell"),
        last=_decimal(meta, "last"),
        high=_decimal(meta, "high"),
        low=_decimal(meta, "low"),
        volume=_decimal(meta, "volume"),
        change=_decimal(meta, "change_pct"),
        received=None if received is None else datetime.fromtimestamp(int(received) / 1000, UTC),
        series=series or [],
        edit_id=edit_id,
    )


def _decimal(meta: dict[str, Any], name: str) -> Decimal | None:
    """Amounts travel as strings in ``meta``."""
    value = meta.get(name)
    return None if value is None else Decimal(value)


def _edit_ids() -> dict[str, int]:
    return dict(Pair.objects.quoted().values_list("code", "pk"))


def _milliseconds() -> int:
    return int(timezone.now().timestamp() * 1000)
