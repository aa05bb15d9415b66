"""Editing one spread: the form with its preview, a question before large changes, the receipt."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from foundation.errors import QuaysideError
from rates.admin.door import find_pair, label, needs, page, person, url
from rates.forms import SpreadForm, initial_values
from rates.models import SpreadRule
from rates.services import halts, previews, rights, spread_table, spreads


@needs(rights.EDIT)
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """GET shows the newest decision; POST saves it, or asks first when the change is large."""
    pair = find_pair(pk)
    standing = spreads.standing(pair)
    if request.method != "POST":
        return _form_page(request, SpreadForm(pair=pair, initial=initial_values(standing)))
    form = SpreadForm(request.POST, pair=pair)
    if not form.is_valid():
        return _form_page(request, form)
    try:
        foreseen = previews.preview(form.change(), by=person(request))
        if foreseen.is_large and not form.cleaned_data["confirmed"]:
            return _question(request, form, foreseen)
        rule = spreads.enter(
            form.change(),
            reason=form.cleaned_data["reason"],
            by=person(request),
            origin=SpreadRule.Origin.ADMIN,
        )
    except QuaysideError as problem:
        form.refuse(problem)
        return _form_page(request, form)
    return saved(request, rule)


def saved(request: HttpRequest, rule: SpreadRule) -> HttpResponse:
    """To the pair's page, which says when the feed has taken the change over."""
    if rule.status == SpreadRule.Status.PENDING:
        messages.warning(request, f"Version {rule.version} waits for a second person.")
        return redirect(url("spread", rule.pair))
    number = rule.approval_version or rule.version
    return redirect(f"{url('spread', rule.pair)}?saved={number}")


@require_GET
@needs(rights.EDIT)
def preview(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The table of resulting prices for the values in the query, as a fragment of the page."""
    values = request.GET.copy()
    values["reason"] = "not asked yet"
    form = SpreadForm(values, pair=find_pair(pk))
    return render(request, "admin/rates/_preview.html", _foresee(request, form))


@require_GET
@needs(rights.EDIT)
def applied(request: HttpRequest, version: int) -> JsonResponse:
    """``{"live", "milliseconds"}``: whether the feed quotes with table ``version``."""
    answer = spread_table.applied(version)
    return JsonResponse({"live": answer.live, "milliseconds": answer.milliseconds})


def _form_page(request: HttpRequest, form: SpreadForm) -> HttpResponse:
    pair = form.pair
    context: dict[str, Any] = {
        "form": form,
        "pair": pair,
        "name": label(pair),
        "standing": spreads.standing(pair),
        "halt": halts.current(pair) if pair else None,
        "may_favour": request.user.has_perm(rights.FAVOUR_CUSTOMER),
        "links": {name: url(name, pair) for name in ("spread", "history", "preview")},
        "halt_url": url("halt", pair) if pair else None,
    }
    context |= _receipt(request, form)
    return page(request, "spread_form", f"Spread: {label(pair)}", **context)


def _receipt(request: HttpRequest, form: SpreadForm) -> dict[str, Any]:
    """After a save: its number and whether the feed has it. Before: the preview of the form."""
    number = request.GET.get("saved", "")
    receipt = None
    if number.isdecimal() and len(number) < 19:
        receipt = {"version": int(number), "applied": spread_table.applied(int(number))}
    if form.is_bound:  # It was refused, and says why at its fields.
        return {"receipt": receipt}
    shown = SpreadForm({**form.initial, "reason": "not asked yet"}, pair=form.pair)
    return {"receipt": receipt, **_foresee(request, shown)}


def _foresee(request: HttpRequest, form: SpreadForm) -> dict[str, Any]:
    """Context of the preview: ``preview``, or ``problems`` as (field, text)."""
    context: dict[str, Any] = {
        "pair": form.pair,
        "preview": None,
        "problems": [],
        "asks": True,
    }
    if not form.is_valid():
        if form.data.get("buy") or form.data.get("sell"):
            context["problems"] = [text for texts in form.errors.values() for text in texts]
        return context
    try:
        foreseen = previews.preview(form.change(), by=person(request))
    except QuaysideError as problem:
        return context | {"problems": [problem.message]}
    effects = None if form.pair else previews.house_effects(foreseen.spread)
    return context | {"preview": foreseen, "effects": effects}


def _question(request: HttpRequest, form: SpreadForm, foreseen: previews.Preview) -> HttpResponse:
    return page(
        request,
        "spread_confirm",
        f"Confirm: {label(form.pair)}",
        form=form,
        pair=form.pair,
        name=label(form.pair),
        preview=foreseen,
        effects=None if form.pair else previews.house_effects(foreseen.spread),
        links={"spread": url("spread", form.pair)},
    )
