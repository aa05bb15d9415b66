"""Who may come in, and how refusals are told."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache

from accounts.models import User
from foundation.errors import Forbidden, NotFound, QuaysideError
from orgs.models import Organisation
from orgs.services import rights
from orgs.services.rights import Act

View = Callable[..., HttpResponse]
# Looking is free; doing needs a proof that is minutes old.
proved_to_post: Callable[[View], View] = reauthentication_required(allow_get=True)


def of_org(act: Act = Act.VIEW, *, back: str = "orgs:people") -> Callable[[View], View]:
    """For who may do ``act`` in the organisation that the address names, which the view is given.

    What is not for them to see is not there: 404; what is not for them to do is 403. Other refusals
    are told on the page ``back``, which is by name and of the same organisation.
    """

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def answer(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, _admitted(request, slug, act), **kwargs)
            except NotFound as missing:
                raise Http404(missing.message) from missing
            except Forbidden as refused:
                raise PermissionDenied(refused.message) from refused
            except QuaysideError as refused:
                messages.error(request, refused.message)
                return redirect(back, slug=slug)

        return never_cache(login_required(answer))

    return wrap


def user_of(request: HttpRequest) -> User:
    return cast("User", request.user)  # the doors let nobody else pass


def frame(request: HttpRequest, org: Organisation) -> dict[str, Any]:
    """What every page of one organisation needs: whose it is, and what the visitor may do."""
    user = user_of(request)
    return {
        "org": org,
        "role": rights.role_in(user, org),
        "manages": rights.may(user, org, Act.MANAGE),
        "owns": rights.may(user, org, Act.OWN),
    }


def _admitted(request: HttpRequest, slug: str, act: Act) -> Organisation:
    org = rights.visible(user_of(request), slug)
    rights.require(user_of(request), org, act)
    return org
