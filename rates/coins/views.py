"""The pages of top coins: the market, its liquidity, one page a coin. They never ask a source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from foundation.errors import NotFound, Unavailable
from rates.coins.services import board, health, history
from rates.coins.services.coin_list import CoinList, Row

logger = structlog.get_logger(__name__)

# In the address and across both pages; "all" is every coin that is served.
LIMITS: Final = ("10", "50", "100", "all")
USUAL: Final = "50"
SPARK_WIDTH, SPARK_HEIGHT, SPARK_INSET = 96, 28, 2
WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Line:
    """One coin as the pages show it. Figures are ``None`` where no source gave one."""

    rank: int
    symbol: str
    name: str
    price: str
    change_1h: Decimal | None
    change_24h: Decimal | None
    change_7d: Decimal | None
    market_cap: Decimal | None
    volume_24h: Decimal | None
    spark: str
    rising: bool | None

    @property
    def shown_price(self) -> str:
        """All of the source's digits; those of the whole part in groups."""
        whole, point, places = self.price.partition(".")
        return f"{int(whole):,}{point}{places}"

    @property
    def has_liquidity(self) -> bool:
        """Whether the coin can stand on logarithmic axes."""
        above = [value for value in (self.market_cap, self.volume_24h) if value and value > 0]
        return len(above) == 2 and self.change_24h is not None


@gzip_page
@require_safe
def market(request: HttpRequest) -> HttpResponse:
    """The market overview: every figure of the list, sortable where scripts run."""
    return _list_page(request, "coins/market.html")


@gzip_page
@require_safe
def liquidity(request: HttpRequest) -> HttpResponse:
    """Market capitalisation against volume as a drawing, and the same data as a table."""
    return _list_page(request, "coins/liquidity.html")


@gzip_page
@require_safe
def coin(request: HttpRequest, symbol: str) -> HttpResponse:
    """One coin: its figures, its past as it was served here, and what each source says."""
    context: dict[str, Any] = {"symbol": symbol[:32], "now_ms": _milliseconds()}
    try:
        row = board.coin(symbol)
    except NotFound:
        return render(request, "coins/unknown.html", context, status=404)
    except Unavailable:
        return render(request, "coins/none.html", context, status=503)
    shown = board.current().shown
    points: list[history.Point] = []
    try:
        points = history.points(row["symbol"], board.now() - WEEK)
        context["compared"] = health.compared(row, shown)
    except (OperationalError, InterfaceError) as problem:
        logger.warning("a coin without its past", error=str(problem))
        context["unread"] = True
    origins = [
        (field, source, shown.sources[source]) for field, source in sorted(row["from"].items())
    ]
    context |= {
        "line": _line(row, {}),
        "shown": shown,
        "stale": shown.is_stale(board.now()),
        "points": points,
        "told_by": sorted({source for *_, source in points if source}),
        "chart": _polyline([price for _, price, _, _ in points], 640, 160),
        "origins": origins,
    }
    return render(request, "coins/coin.html", context)


def _list_page(request: HttpRequest, template: str) -> HttpResponse:
    chosen = request.GET.get("limit", USUAL)
    limit = chosen if chosen in LIMITS else USUAL
    context: dict[str, Any] = {"limits": LIMITS, "limit": limit, "now_ms": _milliseconds()}
    try:
        shown = board.current().shown
    except Unavailable:
        return render(request, "coins/none.html", context, status=503)
    rows = shown.rows if limit == "all" else shown.rows[: int(limit)]
    series = history.series(shown) if template == "coins/market.html" else {}
    lines = [_line(row, series or {}) for row in rows]
    drawn = [line for line in lines if line.has_liquidity]
    context |= {
        "lines": lines,
        "drawn": drawn,
        "left_out": len(lines) - len(drawn),
        "stale": shown.is_stale(board.now()),
        "unread": series is None,
        "csv_limit": len(rows),
        **_ages(shown),
    }
    return render(request, template, context)


def _ages(shown: CoinList) -> dict[str, Any]:
    return {"shown": shown, "as_of": shown.as_of, "ranked_at": shown.ranked_at}


def _line(row: Row, series: dict[str, list[str]]) -> Line:
    prices = [Decimal(price) for price in series.get(row["symbol"], [])]
    return Line(
        rank=row["rank"],
        symbol=row["symbol"],
        name=row["name"],
        price=row["price"],
        change_1h=_decimal(row["change_1h"]),
        change_24h=_decimal(row["change_24h"]),
        change_7d=_decimal(row["change_7d"]),
        market_cap=_decimal(row["market_cap"]),
        volume_24h=_decimal(row["volume_24h"]),
        spark=_polyline(prices, SPARK_WIDTH, SPARK_HEIGHT),
        rising=prices[-1] >= prices[0] if len(prices) > 1 else None,
    )


def _polyline(values: list[Decimal], width: int, height: int) -> str:
    """The ``points`` of an SVG polyline; empty when there is nothing to connect."""
    if len(values) < 2:
        return ""
    low, span = min(values), (max(values) - min(values)) or Decimal(1)
    usable = height - 2 * SPARK_INSET
    return " ".join(
        f"{place * width / (len(values) - 1):.1f},"
        f"{height - SPARK_INSET - float((value - low) / span) * usable:.1f}"
        for place, value in enumerate(values)
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _milliseconds() -> int:
    now: datetime = board.now()
    return int(now.timestamp() * 1000)
