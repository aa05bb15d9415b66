"""The pages of webhooks: a user's own, one with the log of its calls, and its secret, once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from foundation.errors import NotFound, QuaysideError
from rates.coins import tasks
from rates.coins.forms import WebhookForm, trouble, word
from rates.coins.services import webhooks

ROWS: Final = 50
# What a button sends, and what it does.
ACTIONS: Final = ("on", "off", "test", "remove")

View = Callable[..., HttpResponse]


def own(view: View) -> View:
    """For who is signed in, about their own: another's is not there."""

    @functools.wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, cast("User", request.user), **kwargs)
        except NotFound as missing:
            raise Http404(missing.message) from missing

    return never_cache(login_required(answer))


@own
@require_http_methods(["GET", "HEAD", "POST"])
def listed(request: HttpRequest, user: User) -> HttpResponse:
    """The list with a form; by POST a new one, on the page that shows its secret."""
    form = WebhookForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with form.shows_refusals():
            hook, secret = webhooks.make(user=user, **form.values())
            return _secret(request, hook, secret)
    hooks = [(hook, word(hook.key)) for hook in webhooks.of(user)]
    context = {"hooks": hooks, "form": form, "most": webhooks.MOST}
    return render(request, "coins/webhooks.html", context, status=400 if form.is_bound else 200)


@own
@require_safe
def one(request: HttpRequest, user: User, number: int) -> HttpResponse:
    """One webhook and its calls, newest first, a page at a time."""
    hook = webhooks.find(user, number)
    given = request.GET.get("before", "")
    before = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None
    calls = list(webhooks.log(hook, before=before)[: ROWS + 1])
    context = {
        "hook": hook,
        "word": word(hook.key),
        "calls": [(call, trouble(call.error)) for call in calls[:ROWS]],
        "older": calls[ROWS - 1].pk if len(calls) > ROWS else None,
        "first": before is None,
    }
    return render(request, "coins/webhook.html", context)


@own
@require_POST
def act(request: HttpRequest, user: User, number: int) -> HttpResponse:
    """What the buttons of the page do; an unknown one is a mistake of whoever sent it."""
    action = request.POST.get("action", "")
    webhooks.find(user, number)
    try:
        said = _act(action, user, number)
    except QuaysideError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, said)
    if action == "remove":
        return redirect("coins:webhooks")
    return redirect("coins:webhook", number=number)


@own
@require_POST
def rotate(request: HttpRequest, user: User, number: int) -> HttpResponse:
    hook, secret = webhooks.rotate(user=user, number=number)
    return _secret(request, hook, secret)


def _act(action: str, user: User, number: int) -> str:
    if action not in ACTIONS:
        raise NotFound("There is no such action.")
    if action == "remove":
        webhooks.remove(user=user, number=number)
        return "The webhook is removed. Its address is not called any more."
    if action == "test":
        webhooks.test(user=user, number=number)
        tasks.deliver_soon()
        return "A test is on its way; the log shows what comes of it."
    webhooks.change(user=user, number=number, active=action == "on")
    return "The webhook is switched on." if action == "on" else "The webhook is switched off."


def _secret(request: HttpRequest, hook: Any, secret: str) -> HttpResponse:
    context = {"hook": hook, "secret": secret, "rotated": bool(hook.previous_secret)}
    return render(request, "coins/webhook_secret.html", context)
