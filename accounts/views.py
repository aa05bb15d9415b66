"""The account page: what a user can see and change about themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows import reauthentication
from allauth.account.utils import get_next_redirect_url
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.constants import DELETE_PHRASE
from accounts.forms import CloseForm, ProfileForm
from accounts.models import User
from accounts.services import deletion, devices, presence, profile, security_log, tokens, wallets
from accounts.services.export import export
from foundation.errors import NotFound, QuaysideError

NEWEST_EVENTS: Final = 8
LOG_PAGE: Final = 50
LONGEST_ID: Final = 18

View = Callable[..., HttpResponse]
# Looking is free; doing needs a proof that is minutes old.
proved_to_post: Callable[[View], View] = reauthentication_required(allow_get=True)


def own(view: View) -> View:
    """For who is signed in, about themselves, and never from a cache.

    What is not theirs is not there: 404. Other refusals are told on the account page.
    """

    @functools.wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except NotFound as missing:
            raise Http404(missing.message) from missing
        except QuaysideError as refused:
            messages.error(request, refused.message)
            return redirect("accounts:page")

    return never_cache(login_required(answer))


@own
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return _page(request, ProfileForm(instance=_user(request)))


@own
@require_POST
def save_profile(request: HttpRequest) -> HttpResponse:
    # A row of its own: a refused form writes into the instance that it is given.
    form = ProfileForm(request.POST, instance=User.objects.get(pk=_user(request).pk))
    if not form.is_valid():
        return _page(request, form, status=400)
    form.save()
    messages.success(request, "Your profile is saved.")
    return redirect("accounts:page")


@own
@require_POST
def name_wallet(request: HttpRequest, wallet_id: int) -> HttpResponse:
    wallets.rename(user=_user(request), wallet_id=wallet_id, label=request.POST.get("label", ""))
    messages.success(request, "The wallet's name is saved.")
    return redirect("accounts:page")


@own
@require_POST
@reauthentication_required
def remove_wallet(request: HttpRequest, wallet_id: int) -> HttpResponse:
    wallets.unlink(user=_user(request), wallet_id=wallet_id)
    messages.success(
        request, "The wallet is removed. It does not sign in to this account any more."
    )
    return redirect("accounts:page")


@own
@require_POST
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    device = devices.end(_user(request), session_id=session_id)
    messages.success(request, f"Signed out: {device}.")
    return redirect("accounts:page")


@own
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    ended = devices.end_others(_user(request), current_key=request.session.session_key)
    messages.success(request, f"Signed out in {ended} other place{'' if ended == 1 else 's'}.")
    return redirect("accounts:page")


@own
@require_safe
def log(request: HttpRequest) -> HttpResponse:
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) <= LONGEST_ID):
        raise Http404
    found = security_log.page(
        _user(request), limit=LOG_PAGE, before=int(before) if before else None
    )
    return render(request, "accounts/log.html", {"log": found, "first": not before})


@own
@require_http_methods(["GET", "HEAD", "POST"])
@proved_to_post
def export_data(request: HttpRequest) -> HttpResponse:
    """A page that says what comes; by POST the file itself."""
    if request.method != "POST":
        return render(request, "accounts/export.html")
    name = f"{settings.SITE_NAME.lower()}-account-{timezone.now():%Y-%m-%d}.json"
    return JsonResponse(
        export(_user(request)),
        encoder=DjangoJSONEncoder,
        json_dumps_params={"indent": 2},
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@own
@require_safe
def confirm(request: HttpRequest) -> HttpResponse:
    """Asks for a proof of presence by wallet; after it, goes on with what was held up.

    The module of wallets would go straight to ``next``, which may be good for POST only. So the
    page calls it ``then``, and has the module come back here when the wallet has signed.
    """
    here = reverse("accounts:confirm")
    if presence.proved_recently(request):
        answer: HttpResponse | None = reauthentication.resume_request(request)
        return answer or redirect("accounts:page")
    if "next" in request.GET:
        return redirect(f"{here}?{urlencode({'then': request.GET['next']})}")
    landing = get_next_redirect_url(request, "then") or reverse("accounts:page")
    others = [
        {**method, "url": f"{method['url']}?{urlencode({'next': landing})}"}
        for method in get_adapter().get_reauthentication_methods(request.user)
        if method["url"] != here
    ]
    linked = wallets.wallets_of(_user(request))
    if not linked and others:
        return redirect(others[0]["url"])
    context = {
        "wallets": linked,
        "methods": others,
        "landing": f"{here}?{urlencode({'next': landing})}",
    }
    return render(request, "accounts/confirm.html", context)


@own
@require_http_methods(["GET", "HEAD", "POST"])
@proved_to_post
def close(request: HttpRequest) -> HttpResponse:
    form = CloseForm(request.POST or None)
    if not form.is_valid():
        context = {"form": form, "phrase": DELETE_PHRASE}
        return render(request, "accounts/close.html", context, status=400 if form.is_bound else 200)
    deletion.close(_user(request))
    # Not allauth's sign-out: there is nobody any more whose log could tell of it.
    request.session.flush()
    request.user = AnonymousUser()
    messages.success(request, "Your account is deleted. Good-bye.")
    return redirect(settings.ACCOUNT_LOGOUT_REDIRECT_URL)


def _page(request: HttpRequest, form: ProfileForm, *, status: int = 200) -> HttpResponse:
    user = _user(request)
    context = {
        "form": form,
        "wallets": wallets.wallets_of(user),
        "methods": profile.sign_in_methods(user),
        "sessions": devices.signed_in(user, current_key=request.session.session_key),
        "tokens": tokens.tokens_of(user),
        "log": security_log.page(user, limit=NEWEST_EVENTS),
    }
    return render(request, "accounts/page.html", context, status=status)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # signed in
    return request.user
