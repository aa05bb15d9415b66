"""An organisation's name and mail domains, and its end."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.forms import DissolveForm, DomainForm, NameForm
from orgs.models import Organisation
from orgs.services import organisations
from orgs.services.rights import Act
from orgs.views.doors import frame, of_org, proved_to_post, user_of


@require_safe
@of_org()
def page(request: HttpRequest, org: Organisation) -> HttpResponse:
    return _page(request, org)


@require_POST
@of_org(Act.MANAGE, back="orgs:settings")
def rename(request: HttpRequest, org: Organisation) -> HttpResponse:
    form = NameForm(request.POST)
    if form.is_valid():
        with form.shows_refusals():
            organisations.rename(org=org, by=user_of(request), **form.cleaned_data)
            messages.success(request, "The name is saved. Its addresses stay as they are.")
            return redirect("orgs:settings", slug=org.slug)
    # A refused name must not stand in the page's head as if it were the organisation's.
    org.refresh_from_db()
    return _page(request, org, name_form=form)


@require_POST
@of_org(Act.MANAGE, back="orgs:settings")
def add_domain(request: HttpRequest, org: Organisation) -> HttpResponse:
    form = DomainForm(request.POST)
    if form.is_valid():
        with form.shows_refusals():
            added = organisations.add_domain(
                org=org, by=user_of(request), name=form.cleaned_data["domain"]
            )
            messages.success(request, f"{added.name} is noted as the organisation's.")
            return redirect("orgs:settings", slug=org.slug)
    return _page(request, org, domain_form=form)


@require_POST
@of_org(Act.MANAGE, back="orgs:settings")
def remove_domain(request: HttpRequest, org: Organisation) -> HttpResponse:
    name = request.POST.get("domain", "")
    organisations.remove_domain(org=org, by=user_of(request), name=name)
    messages.success(request, "The domain is removed.")
    return redirect("orgs:settings", slug=org.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@of_org(Act.OWN, back="orgs:settings")
@proved_to_post
def dissolve(request: HttpRequest, org: Organisation) -> HttpResponse:
    """Says what ends with it; by POST ends it, for who types its name."""
    form = DissolveForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with form.shows_refusals():
            organisations.dissolve(org=org, by=user_of(request), **form.cleaned_data)
            messages.success(request, f"{org.name} is deleted.")
            return redirect("orgs:mine")
    context = {**frame(request, org), "form": form}
    return render(request, "orgs/dissolve.html", context, status=400 if form.is_bound else 200)


def _page(
    request: HttpRequest,
    org: Organisation,
    *,
    name_form: NameForm | None = None,
    domain_form: DomainForm | None = None,
) -> HttpResponse:
    """The page; a form that is given was refused."""
    context = {
        **frame(request, org),
        "tab": "settings",
        "name_form": name_form or NameForm(initial={"name": org.name}),
        "domain_form": domain_form or DomainForm(),
        "domains": org.domains.all(),
    }
    status = 400 if name_form or domain_form else 200
    return render(request, "orgs/settings.html", context, status=status)
