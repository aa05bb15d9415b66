"""The board of all organisations, one's own, founding one and joining one."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe

from foundation.errors import QuaysideError
from orgs.forms import NameForm
from orgs.models import Membership
from orgs.services import invitations, organisations, rights, search
from orgs.services.board import Period
from orgs.views.doors import user_of

ROWS: Final = 50
MAX_PAGE: Final = 100_000
PERIODS: Final = ((Period.ALL, "All time"), (Period.D30, "30 days"), (Period.D7, "7 days"))


# Masked tokens differ from page to page, so that compression tells nothing.
@gzip_page
@never_cache
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """Every organisation for those who may see them; their own for everybody else."""
    user = request.user
    if not user.is_authenticated and not rights.metrics_open():
        return redirect_to_login(request.get_full_path())
    if not rights.reads_all(user):
        return _mine(request)
    term, period, number = _asked(request)
    try:
        page = search.page(skip=(number - 1) * ROWS, limit=ROWS, term=term, period=period)
    except QuaysideError as refused:
        messages.error(request, refused.message)
        term, page = "", search.page(skip=0, limit=ROWS, period=period)
    context = {
        "page": page,
        "term": term,
        "period": period,
        "periods": PERIODS,
        "number": number,
    }
    return render(request, "orgs/board.html", context)


@never_cache
@login_required
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    return _mine(request)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def found(request: HttpRequest) -> HttpResponse:
    form = NameForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            org = organisations.found(by=user_of(request), **form.cleaned_data)
        except QuaysideError as refused:
            form.refuse(refused)
        else:
            messages.success(request, f"{org.name} is founded. Invite those who belong to it.")
            return redirect("orgs:people", slug=org.slug)
    return render(request, "orgs/new.html", {"form": form}, status=400 if form.is_bound else 200)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """Where the link of an invitation leads. Its secret never comes with the address."""
    if request.method != "POST":
        return render(request, "orgs/join.html")
    secret = request.POST.get("code", "").strip().rpartition("#")[2]
    try:
        membership = invitations.accept(user=user_of(request), secret=secret)
    except QuaysideError as refused:
        problem = {"problem": refused.message}
        return render(request, "orgs/join.html", problem, status=refused.status)
    messages.success(request, f"You belong to {membership.org.name} now.")
    return redirect("orgs:organisation", slug=membership.org.slug)


def _mine(request: HttpRequest) -> HttpResponse:
    held = Membership.objects.filter(user=user_of(request)).select_related("org").order_by("id")
    context: dict[str, Any] = {"mine": held, "form": NameForm()}
    return render(request, "orgs/mine.html", context)


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
