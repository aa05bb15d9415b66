"""One reasoned edit of several pairs, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from foundation.errors import QuaysideError
from rates.admin.door import needs, page, person
from rates.forms import BulkForm
from rates.models import Pair, SpreadRule
from rates.services import previews, rights, spreads
from rates.services.spread_check import Change

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One pair of the bulk page: what it is at, and what the edit would do to it."""

    pair: Pair
    standing: SpreadRule | None
    change: Change | None
    preview: previews.Preview | None
    problem: str


@needs(rights.EDIT)
def bulk(request: HttpRequest) -> HttpResponse:
    """``?pairs=1,2`` names the pairs. "Preview" shows each result; "Save" needs all to be sound."""
    pairs = _pairs(request)
    if not pairs:
        messages.error(request, "Select at least one pair.")
        return redirect(reverse("admin:rates_pair_changelist"))
    form = BulkForm(request.POST or None)
    valid = request.method == "POST" and form.is_valid()
    lines = [_line(request, form if valid else None, pair) for pair in pairs]
    changes = [line.change for line in lines if line.change is not None]
    if valid and "save" in request.POST and not any(line.problem for line in lines):
        try:
            return _saved(
                request,
                spreads.set_spreads_bulk(
                    changes, reason=form.cleaned_data["reason"], by=person(request)
                ),
            )
        except QuaysideError as problem:
            details = [f"{code}: {' '.join(why)}" for code, why in problem.fields.items()]
            form.add_error(None, " ".join([problem.message, *details]))
    return page(
        request,
        "bulk",
        f"Change the spread of {len(pairs)} pairs",
        form=form,
        lines=lines,
        foreseen=valid,
        sound=valid and not any(line.problem for line in lines),
    )


def _pairs(request: HttpRequest) -> list[Pair]:
    wanted = [part for part in request.GET.get("pairs", "").split(",") if part.isdecimal()]
    keys = [int(part) for part in wanted[:LONGEST] if len(part) < 19]
    return list(Pair.objects.filter(pk__in=keys).order_by("position", "code"))


def _line(request: HttpRequest, form: BulkForm | None, pair: Pair) -> Line:
    standing = spreads.standing(pair)
    if form is None:
        return Line(pair, standing, None, None, "")
    if (
        form.cleaned_data["mode"] == BulkForm.WIDEN
        and standing is not None
        and standing.unit != SpreadRule.Unit.BPS
    ):
        return Line(pair, standing, None, None, "This spread is an amount: edit it by itself.")
    change = form.change(pair, standing, _seen(request, pair))
    try:
        return Line(pair, standing, change, previews.preview(change, by=person(request)), "")
    except QuaysideError as problem:
        return Line(pair, standing, change, None, problem.message)


def _seen(request: HttpRequest, pair: Pair) -> int | None:
    """The version that the person saw in the preview; nothing before the first preview."""
    seen = request.POST.get(f"version-{pair.pk}", "")
    return int(seen) if seen.isdecimal() and len(seen) < 19 else None


def _saved(request: HttpRequest, rules: list[SpreadRule]) -> HttpResponse:
    waiting = sum(rule.status == SpreadRule.Status.PENDING for rule in rules)
    if waiting:
        messages.warning(request, f"{waiting} of {len(rules)} changes wait for a second person.")
    newest = max(rule.version for rule in rules)
    address = reverse("admin:rates_pair_changelist")
    return redirect(address if waiting == len(rules) else f"{address}?saved={newest}")
