"""What the desk's own pages share: who may enter, the frame's context, coming back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from accounts.models import User
from rates.models import Pair
from rates.services import rights

P = ParamSpec("P")
# "rates_pair_history" is the admin's own page of a pair's other changes.
NAMES = {"history": "history_list"}
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def needs(permission: str) -> Callable[[View[P]], View[P]]:
    """A page of the admin site for staff who have ``permission``; 403 for other staff."""

    def wrap(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied(rights.REFUSALS[permission])
            return view(request, *args, **kwargs)

        return cast("View[P]", admin.site.admin_view(guarded))

    return wrap


def person(request: HttpRequest) -> User:
    """Who acts. ``needs`` let nobody pass who has not signed in."""
    return cast("User", request.user)


def find_pair(pk: int | None) -> Pair | None:
    return None if pk is None else get_object_or_404(Pair, pk=pk)


def page(
    request: HttpRequest, template: str, title: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    frame = admin.site.each_context(request) | {"opts": Pair._meta, "title": title}
    return render(request, f"admin/rates/{template}.html", frame | context, status=status)


def url(name: str, pair: Pair | None) -> str:
    """The address of a desk page of one pair, or of the house default."""
    if pair is None:
        return reverse(f"admin:rates_house_{NAMES.get(name, name)}")
    return reverse(f"admin:rates_pair_{NAMES.get(name, name)}", args=[pair.pk])


def label(pair: Pair | None) -> str:
    return pair.code if pair else "House default"
