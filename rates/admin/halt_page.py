"""Halting and resuming one pair."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from foundation.errors import QuaysideError
from rates.admin.door import needs, page, person, url
from rates.forms import ReasonForm
from rates.models import Pair
from rates.services import halts, rights


@needs(rights.EDIT)
def halt(request: HttpRequest, pk: int) -> HttpResponse:
    """One page for both directions: it does what its button says, whatever happened meanwhile."""
    pair = get_object_or_404(Pair, pk=pk)
    standing = halts.current(pair)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        act = halts.resume if "resume" in request.POST else halts.halt
        try:
            row = act(pair=pair, reason=form.cleaned_data["reason"], by=person(request))
            return redirect(f"{url('spread', pair)}?saved={row.version}")
        except QuaysideError as problem:
            form.refuse(problem)
    return page(
        request,
        "halt",
        f"{'Resume' if standing else 'Halt'} {pair.code}",
        pair=pair,
        form=form,
        standing=standing,
        links={"spread": url("spread", pair)},
    )
