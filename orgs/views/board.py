"""The board of all organisations, one's own, founding one and joining one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe

from foundation.errors import QuaysideError
from orgs.forms import NameForm
from orgs.models import Membership
from orgs.services import invitations, live_figures, organisations, rights, search
from orgs.services.board import Period
from orgs.services.board_orders import Order
from orgs.views.doors import user_of

ROWS: Final = 50
MAX_PAGE: Final = 100_000
PERIODS: Final = ((Period.ALL, "All time"), (Period.D30, "30 days"), (Period.D7, "7 days"))
# The columns that can be sorted by, each with the order that it begins with and the reverse.
SORTED: Final = (
    ("Organisation", "", Order.NAME, Order.NAME_DOWN),
    ("Actions", "num orgs__actions", Order.MOST_ACTIONS, Order.FEWEST_ACTIONS),
    ("Last active", "orgs__active", Order.LATEST, Order.LONGEST_QUIET),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address of the board asks for."""

    term: str = ""
    period: Period = Period.ALL
    order: Order = Order.MOST_ACTIONS
    number: int = 1

    def page(self) -> search.Page:
        return search.page(
            skip=(self.number - 1) * ROWS,
            limit=ROWS,
            term=self.term,
            period=self.period,
            order=self.order,
        )

    @property
    def query(self) -> str:
        """All but the page, as addresses and the file spell it."""
        return self.sorted_by(self.order)

    def sorted_by(self, order: Order) -> str:
        return urlencode({"search": self.term, "period": self.period, "sort": order})


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column that can be sorted by."""

    words: str
    css: str
    first: Order
    other: Order
    asked: Asked

    @property
    def query(self) -> str:
        """Where a click leads: to the order that the column begins with, or to its reverse."""
        return self.asked.sorted_by(self.other if self.asked.order is self.first else self.first)

    @property
    def direction(self) -> str:
        """For ``aria-sort``."""
        if self.asked.order not in (self.first, self.other):
            return "none"
        return "descending" if self.asked.order.startswith("-") else "ascending"


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
    asked = _asked(request)
    try:
        page = asked.page()
    except QuaysideError as refused:
        messages.error(request, refused.message)
        asked = Asked()
        page = asked.page()
    context = {
        "today": live_figures.today(),
        "page": page,
        "asked": asked,
        "periods": PERIODS,
        "heads": _heads(asked),
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
        with form.shows_refusals():
            org = organisations.found(by=user_of(request), **form.cleaned_data)
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


def _asked(request: HttpRequest) -> Asked:
    """What the address asks for; what is unreadable counts as not there."""
    given = request.GET
    period, order = given.get("period", ""), given.get("sort", "")
    number = given.get("page", "1")
    readable = number.isascii() and number.isdecimal() and len(number) < 7
    return Asked(
        given.get("search", "").strip()[: search.MAX_TERM],
        Period(period) if period in set(Period) else Period.ALL,
        Order(order) if order in set(Order) else Order.MOST_ACTIONS,
        min(max(int(number), 1), MAX_PAGE) if readable else 1,
    )


def _heads(asked: Asked) -> list[Head]:
    return [Head(words, css, first, other, asked) for words, css, first, other in SORTED]
