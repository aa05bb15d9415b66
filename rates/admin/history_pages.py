"""The history of one spread, going back to a version, and the second person's list."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from foundation.errors import QuaysideError
from rates.admin.door import find_pair, label, needs, page, person, url
from rates.admin.spread_pages import saved
from rates.forms import ReasonForm
from rates.models import SpreadRule
from rates.services import approvals, previews, reasons, rights, spreads
from rates.services.spread_check import Change

PAGE = 50


@needs(rights.EDIT)
def history(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Every version: who, when, old, new, why."""
    pair = find_pair(pk)
    shown = Paginator(spreads.history(pair), PAGE).get_page(request.GET.get("page"))
    standing = spreads.standing(pair)
    return page(
        request,
        "history",
        f"History: {label(pair)}",
        pair=pair,
        name=label(pair),
        versions=shown,
        page_range=shown.paginator.get_elided_page_range(shown.number),
        standing_version=standing.version if standing else 0,
        halts=pair.halts.select_related("by")[:PAGE] if pair else [],
        links={"spread": url("spread", pair)},
    )


@needs(rights.EDIT)
def revert(request: HttpRequest, version: int) -> HttpResponse:
    """Ask why, show the prices that come back, and bring an old version back as a new one."""
    rule = get_object_or_404(SpreadRule.objects.for_display(), version=version)
    suggested = f"Back to version {rule.version}: {rule.reason}"[: reasons.LONGEST]
    form = ReasonForm(request.POST or None, initial={"reason": suggested})
    if request.method == "POST" and form.is_valid():
        try:
            return saved(
                request,
                spreads.revert(
                    rule=rule,
                    reason=form.cleaned_data["reason"],
                    by=person(request),
                    expected_version=_seen(request),
                ),
            )
        except QuaysideError as problem:
            form.refuse(problem)
    standing = spreads.standing(rule.pair)
    context: dict[str, Any] = {
        "form": form,
        "rule": rule,
        "pair": rule.pair,
        "name": label(rule.pair),
        "standing": standing,
        "links": {"history": url("history", rule.pair)},
        **_returning(request, rule),
    }
    return page(request, "revert", f"Revert {label(rule.pair)} to version {version}", **context)


@needs(rights.EDIT)
def pending(request: HttpRequest) -> HttpResponse:
    """Versions that wait for a second person."""
    waiting = [
        (rule, rule.created_by_id == person(request).pk)
        for rule in SpreadRule.objects.for_display().pending()
    ]
    return page(
        request,
        "pending",
        "Waiting for a second person",
        waiting=waiting,
        may_approve=request.user.has_perm(rights.APPROVE),
    )


@require_POST
@needs(rights.EDIT)
def decide(request: HttpRequest, version: int) -> HttpResponse:
    """Approve or reject, by the name of the button that was pressed."""
    rule = get_object_or_404(SpreadRule, version=version)
    try:
        if "approve" in request.POST:
            return saved(request, approvals.approve(rule=rule, by=person(request)))
        reason = request.POST.get("reason", "")
        approvals.reject(rule=rule, by=person(request), reason=reason)
        messages.success(request, f"Version {version} was rejected.")
    except QuaysideError as problem:
        messages.error(request, problem.message)
    return redirect(reverse("admin:rates_pending"))


def _returning(request: HttpRequest, rule: SpreadRule) -> dict[str, Any]:
    change = Change(rule.pair, rule.unit, rule.buy, rule.sell, rule.min_bps, rule.max_bps)
    try:
        return {"preview": previews.preview(change, by=person(request)), "problems": []}
    except QuaysideError as problem:
        return {"preview": None, "problems": [problem.message]}


def _seen(request: HttpRequest) -> int | None:
    seen = request.POST.get("expected_version", "")
    return int(seen) if seen.isdecimal() and len(seen) < 19 else None
