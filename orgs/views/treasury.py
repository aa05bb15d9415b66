"""An organisation's treasury: its addresses, and for members what they hold."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from orgs.forms import TreasuryForm
from orgs.models import Organisation
from orgs.services import treasury
from orgs.services.rights import Act
from orgs.views.doors import frame, of_org, user_of


@require_safe
@of_org()
def page(request: HttpRequest, org: Organisation) -> HttpResponse:
    return _page(request, org)


@require_POST
@of_org(Act.MANAGE, back="orgs:treasury")
def add(request: HttpRequest, org: Organisation) -> HttpResponse:
    form = TreasuryForm(request.POST)
    if form.is_valid():
        with form.shows_refusals():
            treasury.add(org=org, by=user_of(request), **form.cleaned_data)
            messages.success(request, "The address is followed. What it holds fills in.")
            return redirect("orgs:treasury", slug=org.slug)
    return _page(request, org, form)


@require_POST
@of_org(Act.MANAGE, back="orgs:treasury")
def remove(request: HttpRequest, org: Organisation) -> HttpResponse:
    treasury.remove(org=org, by=user_of(request), address=request.POST.get("address", ""))
    messages.success(request, "The address is taken out.")
    return redirect("orgs:treasury", slug=org.slug)


def _page(
    request: HttpRequest, org: Organisation, form: TreasuryForm | None = None
) -> HttpResponse:
    """The page; a form that is given was refused."""
    context = {**frame(request, org), "tab": "treasury", "form": form or TreasuryForm()}
    held = treasury.valued(org) if context["role"] else treasury.of(org)
    context |= {"held": held, "total": treasury.total(held)}
    return render(request, "orgs/treasury.html", context, status=400 if form else 200)
