"""Members and invitations of an organisation."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from foundation.errors import InvalidInput
from orgs.forms import InviteForm, roles
from orgs.models import Membership, Organisation, OrgRole
from orgs.services import invitations, memberships, rights
from orgs.services.rights import Act
from orgs.views.doors import frame, of_org, user_of

MEMBERS: Final = 50


@require_safe
@of_org()
def people(request: HttpRequest, org: Organisation) -> HttpResponse:
    """Who belongs to it; for who manages it, what can be changed, and open invitations."""
    context = frame(request, org)
    members = Membership.objects.filter(org=org).for_display()
    waiting = org.invitations.open(timezone.now()).select_related("created_by")
    context |= {
        "members": Paginator(members, MEMBERS).get_page(request.GET.get("page")),
        "tab": "people",
        "roles": roles(context["owns"]),
        "invitations": waiting if context["manages"] else [],
    }
    return render(request, "orgs/people.html", context)


@require_POST
@of_org(Act.MANAGE)
def change_role(request: HttpRequest, org: Organisation, user_id: int) -> HttpResponse:
    role = request.POST.get("role", "")
    if role not in set(OrgRole):
        raise InvalidInput("Choose a role.")
    changed = memberships.change_role(
        org=org, by=user_of(request), user_id=user_id, role=OrgRole(role)
    )
    messages.success(request, f"{changed.name} is {changed.get_role_display().lower()} now.")
    return redirect("orgs:people", slug=org.slug)


@require_POST
@of_org()
def remove(request: HttpRequest, org: Organisation, user_id: int) -> HttpResponse:
    """Take a member out; who takes themselves out sees it no more."""
    user = user_of(request)
    memberships.remove(org=org, by=user, user_id=user_id)
    if user_id != user.pk:
        messages.success(request, "They do not belong to the organisation any more.")
        return redirect("orgs:people", slug=org.slug)
    messages.success(request, f"You have left {org.name}.")
    return redirect("orgs:mine")


@require_http_methods(["GET", "HEAD", "POST"])
@of_org(Act.MANAGE)
def invite(request: HttpRequest, org: Organisation) -> HttpResponse:
    """The form; by POST the invitation, on the only page that ever shows its link."""
    user = user_of(request)
    owns = rights.may(user, org, Act.OWN)
    form = InviteForm(request.POST if request.method == "POST" else None, makes_owners=owns)
    context = {**frame(request, org), "form": form}
    if form.is_valid():
        with form.shows_refusals():
            made, link = invitations.invite(
                org=org,
                by=user,
                role=OrgRole(form.cleaned_data["role"]),
                email=form.cleaned_data["email"],
                join_url=request.build_absolute_uri(reverse("orgs:join")),
            )
            context |= {"invitation": made, "link": link}
            return render(request, "orgs/invited.html", context)
    return render(request, "orgs/invite.html", context, status=400 if form.is_bound else 200)


@require_POST
@of_org(Act.MANAGE)
def withdraw(request: HttpRequest, org: Organisation, invitation_id: int) -> HttpResponse:
    invitations.withdraw(org=org, by=user_of(request), invitation_id=invitation_id)
    messages.success(request, "The invitation is withdrawn. Its link leads nowhere now.")
    return redirect("orgs:people", slug=org.slug)
