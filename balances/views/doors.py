"""Who may come in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from accounts.models import User
from foundation.errors import NotFound

View = Callable[..., HttpResponse]


def signed_in(view: View) -> View:
    """For who is signed in, never from a cache. What is not theirs is not there: 404."""

    @functools.wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except NotFound as missing:
            raise Http404(missing.message) from missing

    return never_cache(login_required(answer))


def user_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # signed in
    return request.user
