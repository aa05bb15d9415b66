"""API keys of an organisation. By session only: no key makes another."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.forms import KeyForm
from orgs.models import Organisation
from orgs.services import keys
from orgs.services.rights import Act
from orgs.views.doors import frame, of_org, user_of


@require_safe
@of_org(Act.MANAGE)
def listed(request: HttpRequest, org: Organisation) -> HttpResponse:
    found = org.api_keys.select_related("created_by")
    context = {**frame(request, org), "tab": "keys", "keys": found}
    return render(request, "orgs/keys.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@of_org(Act.MANAGE, back="orgs:keys")
@reauthentication_required
def make(request: HttpRequest, org: Organisation) -> HttpResponse:
    """The form; by POST the key, on the only page that ever shows its secret."""
    form = KeyForm(request.POST if request.method == "POST" else None)
    context = {**frame(request, org), "form": form}
    if form.is_valid():
        with form.shows_refusals():
            key, secret = keys.create(org=org, by=user_of(request), **form.values())
            return render(request, "orgs/key_made.html", {**context, "key": key, "secret": secret})
    return render(request, "orgs/key_new.html", context, status=400 if form.is_bound else 200)


@require_POST
@of_org(Act.MANAGE, back="orgs:keys")
def revoke(request: HttpRequest, org: Organisation, key_id: int) -> HttpResponse:
    keys.revoke(org=org, by=user_of(request), key_id=key_id)
    messages.success(request, "The key is revoked. Nothing gets in with it any more.")
    return redirect("orgs:keys", slug=org.slug)
