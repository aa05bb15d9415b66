"""The pages of rates: the board, and one page a pair. They read Valkey and PostgreSQL only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from accounts.services import acts
from rates.constants import BPS, LIVE, QUOTE_VIEWED, STALE
from rates.models import Pair
from rates.services import board as board_service
from rates.services import sparklines, spreads

EDIT_SPREADS = "rates.edit_spreads"
# The drawing's own units; the page scales it.
SPARK_WIDTH, SPARK_HEIGHT, SPARK_INSET = 96, 28, 2
HISTORY_ROWS = 50
# Nothing stands in Valkey for an enabled pair: it is new, or Valkey is empty or down.
NO_DATA = "no_data"


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


# Rows of figures shrink to a tenth; tokens are masked anew for each page, so nothing leaks by size.
@gzip_page
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """Every pair, as customers see it. Live updates come over the websocket."""
    snapshot = board_service.read()
    lines = sparklines.sparklines(timezone.now())
    can_edit = request.user.has_perm(EDIT_SPREADS)
    rows = [
        _row(record, snapshot, can_edit=can_edit, series=lines.get(record.code, []))
        for record in Pair.objects.quoted()
    ]
    acts.note(request.user, QUOTE_VIEWED)
    context = {"rows": rows, "snapshot": snapshot, "can_edit": can_edit, "now_ms": _milliseconds()}
    return render(request, "rates/board.html", context)


def first_rows(limit: int) -> tuple[list[Row], board_service.BoardSnapshot]:
    """The first pairs of the board, for pages that show a few of them."""
    snapshot = board_service.read()
    records = Pair.objects.quoted()[:limit]
    return [_row(record, snapshot, can_edit=False) for record in records], snapshot


@gzip_page
@require_safe
def pair(request: HttpRequest, code: str) -> HttpResponse:
    """One pair: prices, chart, statistics, and how to read it from a program."""
    quoted = {record.code: record for record in Pair.objects.quoted()}
    record = quoted.get(code)
    if record is None:
        context: dict[str, Any] = {"code": code, "known": list(quoted)}
        return render(request, "rates/unknown_pair.html", context, status=404)
    snapshot = board_service.read([code])
    can_edit = request.user.has_perm(EDIT_SPREADS)
    acts.note(request.user, QUOTE_VIEWED, code)
    context = {
        "row": _row(record, snapshot, can_edit=can_edit),
        "snapshot": snapshot,
        "can_edit": can_edit,
        "history": spreads.history(record).for_display()[:HISTORY_ROWS] if can_edit else None,
        "http_url": request.build_absolute_uri(f"/api/v1/rates/{code}"),
        "sse_url": request.build_absolute_uri(f"/api/v1/live?topics=rates:live&keys={code}"),
        "ws_url": request.build_absolute_uri("/ws/live").replace("http", "ws", 1),
        "now_ms": _milliseconds(),
    }
    return render(request, "rates/pair.html", context)


def _row(
    record: Pair,
    snapshot: board_service.BoardSnapshot,
    *,
    can_edit: bool,
    series: sparklines.Points | None = None,
) -> Row:
    entry = snapshot.entries.get(record.code) or board_service.Entry({}, {"reason": NO_DATA})
    meta = entry.meta
    original, quoted = entry.data.get("original") or {}, entry.data.get("withSpread") or {}
    received = meta.get("received")
    return Row(
        code=record.code,
        decimals=int(meta.get("decimals", record.price_decimals)),
        state=meta.get("state", STALE),
        reason=meta.get("reason") or "",
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
        edit_id=record.pk if can_edit else None,
    )


def _decimal(meta: dict[str, Any], name: str) -> Decimal | None:
    """Amounts travel as strings in ``meta``."""
    value = meta.get(name)
    return None if value is None else Decimal(value)


def _milliseconds() -> int:
    return int(timezone.now().timestamp() * 1000)
