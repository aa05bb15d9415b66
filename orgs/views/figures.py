"""An organisation's figures, and those of the whole desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Final

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from orgs.models import Membership, Organisation
from orgs.services import cohorts, live_figures, metrics, movers, rights
from orgs.services.metrics import DayCount, Figure
from orgs.views.doors import frame, of_org

DAYS: Final = 30
# As many members as the page of figures names; the page of people has them all.
NAMED: Final = 8
# The drawing's own units; the page scales it.
CHART_WIDTH, CHART_HEIGHT = 600, 120


@dataclass(frozen=True, slots=True)
class Bar:
    """A day of a chart: where it stands and how high, in the drawing's units."""

    x: float
    y: float
    width: float
    height: float
    day: date
    dau: int
    actions: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the triangle: a share in percent, and its shade from 0 to 9."""

    share: int
    shade: int
    count: int


@gzip_page
@require_safe
@of_org()
def organisation(request: HttpRequest, org: Organisation) -> HttpResponse:
    """One organisation: its figures, and who belongs to it."""
    last = _today()
    head = metrics.headline(org.pk, last)
    days = metrics.org_days(org.pk, first=last - timedelta(days=DAYS - 1), last=last)
    members = Membership.objects.filter(org=org)
    context = {
        **frame(request, org),
        "tab": "figures",
        "last": last,
        "figures": [
            ("Users today", _shown(head.dau), "yesterday"),
            ("Users in 7 days", _shown(head.wau), "the 7 days before"),
            ("Users in 30 days", _shown(head.mau), "the 30 days before"),
            ("Stickiness", _shown(head.stickiness, share=True), "the 30 days before"),
            ("Actions in 30 days", _shown(head.actions), "the 30 days before"),
        ],
        "quiet": not (head.actions.now or head.actions.before),
        "bars": bars(days),
        "highest": highest(days),
        "weeks": cohorts.lifecycle(org.pk, last),
        "cohorts": [(cohort, cells(cohort)) for cohort in cohorts.retention(org.pk, last)],
        "members": members.for_display()[:NAMED],
        "member_count": members.count(),
    }
    return render(request, "orgs/organisation.html", context)


# Masked tokens differ from page to page, so that compression tells nothing.
@gzip_page
@never_cache
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """The whole desk's days, who grows and who goes quiet."""
    if not rights.reads_all(request.user):
        if request.user.is_authenticated:
            raise Http404("There is no such page for you.")
        return redirect_to_login(request.get_full_path())
    last = _today()
    days = metrics.desk_days(first=last - timedelta(days=DAYS - 1), last=last)
    context = {
        "today": live_figures.today(),
        "bars": bars(days),
        "highest": highest(days),
        "movers": movers.kept(),
        "last": last,
    }
    return render(request, "orgs/desk.html", context)


def highest(days: Sequence[DayCount]) -> int:
    return max((day.dau for day in days), default=0)


def bars(days: Sequence[DayCount]) -> list[Bar]:
    """The days' users as bars, the highest as high as the drawing."""
    most = highest(days) or 1
    step = CHART_WIDTH / max(len(days), 1)
    drawn = []
    for place, day in enumerate(days):
        height = CHART_HEIGHT * day.dau / most
        y = CHART_HEIGHT - height
        drawn.append(Bar(place * step, y, step * 0.8, height, day.day, day.dau, day.actions))
    return drawn


def cells(cohort: cohorts.Cohort) -> list[Cell]:
    shown = []
    for count in cohort.active:
        share = round(100 * count / cohort.size) if cohort.size else 0
        shown.append(Cell(share, min(share // 10, 9), count))
    return shown


def _shown(figure: Figure, *, share: bool = False) -> dict[str, str]:
    """The figure and its growth as words, with a real minus."""
    now = f"{figure.now:.0%}" if share else f"{figure.now:,}"
    growth = "" if figure.growth is None else f"{figure.growth:+.0%}".replace("-", "\u2212")
    rises, falls = figure.now > figure.before, figure.now < figure.before
    return {
        "now": now,
        "growth": growth,
        "direction": "up" if rises else "down" if falls else "none",
        "before": f"{figure.before:.0%}" if share else f"{figure.before:,}",
    }


def _today() -> date:
    return timezone.now().astimezone(UTC).date()
