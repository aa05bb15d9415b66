"""Making and revoking API tokens. By session only: no token makes another."""

from __future__ import annotations

from typing import cast

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.services import tokens
from accounts.token_forms import TokenForm
from accounts.views import own


@own
@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required
def make(request: HttpRequest) -> HttpResponse:
    """The form; by POST the token, on the only page that ever shows its secret."""
    user = cast("User", request.user)  # "own" lets nobody else pass
    form = TokenForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_valid():
        with form.shows_refusals():
            token, secret = tokens.create(user=user, **form.values())
            return render(request, "accounts/token_made.html", {"token": token, "secret": secret})
    status = 400 if form.is_bound else 200
    return render(request, "accounts/token_new.html", {"form": form}, status=status)


@own
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    tokens.revoke(user=cast("User", request.user), token_id=token_id)
    messages.success(request, "The token is revoked. Nothing gets in with it any more.")
    return redirect("accounts:page")
