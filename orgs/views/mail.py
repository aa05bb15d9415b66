"""The mail domains that somebody told us of."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from foundation.errors import QuaysideError
from orgs.constants import MAX_DOMAIN_OCTETS
from orgs.services import mail_domains, rights
from orgs.services.mail_domains import Order, Question
from orgs.services.mail_trends import Trend
from orgs.services.verdicts import Verdict

ROWS: Final = 50
VERDICTS: Final = (
    (Verdict.CATCH_ALL, "Catch-all"),
    (Verdict.NOT_CATCH_ALL, "Not catch-all"),
    (Verdict.UNKNOWN, "Unknown"),
)
ORDERS: Final = (
    (Order.NAME, "By name"),
    (Order.EVENTS, "Most events"),
    (Order.BOUNCED, "Most bounces"),
)


# Masked tokens differ from page to page, so that compression tells nothing.
@gzip_page
@never_cache
@require_safe
def domains(request: HttpRequest) -> HttpResponse:
    """For those who may see the metrics of all organisations: anybody's mail is counted here."""
    if not rights.reads_all(request.user):
        if request.user.is_authenticated:
            raise Http404("There is no such page for you.")
        return redirect_to_login(request.get_full_path())
    asked, after = _asked(request)
    today = timezone.now().date()
    try:
        page = mail_domains.page(asked, after=after, rows=ROWS, today=today)
        total, capped = mail_domains.count(asked)
    except QuaysideError as refused:
        messages.error(request, refused.message)
        asked, after = Question(), ""
        page = mail_domains.page(asked, rows=ROWS, today=today)
        total, capped = mail_domains.count(asked)
    context = {
        "asked": asked,
        "after": after,
        "lines": [(line, change(line.trend)) for line in page.lines],
        "total": total,
        "capped": capped,
        "verdicts": VERDICTS,
        "orders": ORDERS,
        "query": urlencode(_query(asked)),
        "next": urlencode({**_query(asked), "after": page.after}) if page.after else "",
    }
    return render(request, "orgs/domains.html", context)


def change(trend: Trend) -> dict[str, str]:
    """The growth as words, with a real minus, and which way it goes."""
    if trend.growth is None:
        return {"growth": "new" if trend.week else "", "direction": "none"}
    growth = f"{trend.growth:+,.0%}".replace("-", "\u2212")
    rises = trend.week > trend.before
    return {
        "growth": growth,
        "direction": "up" if rises else "down" if trend.week < trend.before else "none",
    }


def _asked(request: HttpRequest) -> tuple[Question, str]:
    """What the address asks for; what is unreadable counts as not there."""
    verdict, order = request.GET.get("verdict", ""), request.GET.get("sort", "")
    asked = Question(
        request.GET.get("search", "").strip()[:MAX_DOMAIN_OCTETS],
        Verdict(verdict) if verdict in set(Verdict) else None,
        Order(order) if order in set(Order) else Order.NAME,
    )
    return asked, request.GET.get("after", "")


def _query(asked: Question) -> dict[str, Any]:
    """As the address and the file spell it."""
    named = {"search": asked.term, "verdict": asked.verdict or "", "sort": asked.order}
    return {name: value for name, value in named.items() if value}
