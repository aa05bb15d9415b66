"""allauth's doors, each in one transaction: what one changes and the log of it go together."""

from __future__ import annotations

from collections.abc import Iterable

from allauth import urls
from allauth.headless import urls as headless_urls
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

urlpatterns = [
    # One place for sessions: ours also says which is which.
    path("sessions/", login_required(RedirectView.as_view(pattern_name="accounts:page"))),
    *urls.urlpatterns,
]


def _make_atomic(patterns: Iterable[URLPattern | URLResolver]) -> None:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            _make_atomic(pattern.url_patterns)
        else:
            pattern.callback = transaction.atomic(pattern.callback)


_make_atomic(urlpatterns)
# The same for programs; config.urls mounts them elsewhere.
_make_atomic(headless_urls.urlpatterns)
