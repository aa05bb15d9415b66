"""The organisations' pages: the board, one organisation, the whole desk, and joining one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from foundation.errors import NotFound, QuaysideError
from orgs.models import Membership
from orgs.services import cohorts, invitations, metrics, movers, organisations, rights, search
from orgs.services.board import Period
from orgs.services.metrics import DayCount, Figure

ROWS: Final = 50
MAX_PAGE: Final = 100_000
DAYS: Final = 30
PERIODS: Final = ((Period.ALL, "All time"), (Period.D30, "30 days"), (Period.D7, "7 days"))
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


# Masked tokens differ from page to page, so that compression tells nothing.
@gzip_page
@never_cache
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """Every organisation for those who may see them; their own for everybody else."""
    user = request.user
    if not user.is_authenticated and not rights.metrics_open():
        return redirect_to_login(request.get_full_path())
    mine = Membership.objects.filter(user=user.pk).select_related("org").order_by("id")
    context: dict[str, Any] = {"mine": list(mine) if user.is_authenticated else []}
    if not rights.reads_all(user):
        return render(request, "orgs/mine.html", context)
    term, period, number = _asked(request)
    try:
        page = search.page(skip=(number - 1) * ROWS, limit=ROWS, term=term, period=period)
    except QuaysideError as refused:
        messages.error(request, refused.message)
        term, page = "", search.page(skip=0, limit=ROWS, period=period)
    context |= {
        "page": page,
        "term": term,
        "period": period,
        "periods": PERIODS,
        "number": number,
    }
    return render(request, "orgs/board.html", context)


@gzip_page
@never_cache
@login_required
@require_safe
def organisation(request: HttpRequest, slug: str) -> HttpResponse:
    """One organisation: its figures, and who belongs to it."""
    user = cast("User", request.user)
    try:
        org = rights.visible(user, slug)
    except NotFound as missing:
        raise Http404(missing.message) from missing
    last = _today()
    head = metrics.headline(org.pk, last)
    days = metrics.org_days(org.pk, first=last - timedelta(days=DAYS - 1), last=last)
    context = {
        "org": org,
        "last": last,
        "figures": [
            ("Users today", _shown(head.dau), "yesterday"),
            ("Users in 7 days", _shown(head.wau), "the 7 days before"),
            ("Users in 30 days", _shown(head.mau), "the 30 days before"),
            ("Stickiness", _shown(head.stickiness, share=True), "the 30 days before"),
        ],
        "bars": bars(days),
        "weeks": cohorts.lifecycle(org.pk, last),
        "cohorts": [(cohort, cells(cohort)) for cohort in cohorts.retention(org.pk, last)],
        "members": Membership.objects.filter(org=org).for_display(),
        "role": rights.role_in(user, org),
    }
    return render(request, "orgs/organisation.html", context)


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
    context = {"bars": bars(days), "days": days, "movers": movers.kept(), "last": last}
    return render(request, "orgs/desk.html", context)


@login_required
@require_POST
def found(request: HttpRequest) -> HttpResponse:
    try:
        org = organisations.found(by=cast("User", request.user), name=request.POST.get("name", ""))
    except QuaysideError as refused:
        messages.error(request, refused.message)
        return redirect("orgs:board")
    return redirect("orgs:organisation", slug=org.slug)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """Where the link of an invitation leads. Its secret never comes with the address."""
    if request.method != "POST":
        return render(request, "orgs/join.html")
    secret = request.POST.get("code", "").strip().rpartition("#")[2]
    try:
        membership = invitations.accept(user=cast("User", request.user), secret=secret)
    except QuaysideError as refused:
        messages.error(request, refused.message)
        return render(request, "orgs/join.html", status=refused.status)
    return redirect("orgs:organisation", slug=membership.org.slug)


def bars(days: Sequence[DayCount]) -> list[Bar]:
    """The days' users as bars, the highest as high as the drawing."""
    highest = max((day.dau for day in days), default=0) or 1
    step = CHART_WIDTH / max(len(days), 1)
    drawn = []
    for place, day in enumerate(days):
        height = CHART_HEIGHT * day.dau / highest
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
    return {
        "now": now,
        "growth": growth,
        "direction": "up" if figure.now > figure.before else "down",
        "before": f"{figure.before:.0%}" if share else f"{figure.before:,}",
    }


def _asked(request: HttpRequest) -> tuple[str, Period, int]:
    """The search, period and page of the address; what is unreadable counts as not there."""
    period = request.GET.get("period", "")
    number = request.GET.get("page", "1")
    readable = number.isascii() and number.isdecimal() and len(number) < 7
    return (
        request.GET.get("search", "").strip()[: search.MAX_TERM],
        Period(period) if period in set(Period) else Period.ALL,
        min(max(int(number), 1), MAX_PAGE) if readable else 1,
    )


def _today() -> date:
    return timezone.now().astimezone(UTC).date()
