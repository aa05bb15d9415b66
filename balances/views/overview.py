"""The start page: rates, newest blocks, and what is the visitor's own."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from balances.models import Chain
from balances.services import activity
from balances.services.chain_state import states_of
from balances.views import portfolio
from balances.views.doors import user_of
from balances.views.rows import milliseconds
from rates import views as rates

PAIRS: Final = 8
BLOCKS: Final = 8
CARDS: Final = 4


@never_cache
@gzip_page
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Nothing on it waits for anything: it is read from PostgreSQL and Valkey."""
    pairs, snapshot = rates.first_rows(PAIRS)
    chains = list(Chain.objects.followed())
    chain = chains[0] if chains else None
    context = {
        "pairs": pairs,
        "snapshot": snapshot,
        "chains": chains,
        "chain": chain,
        "state": None if chain is None else states_of([chain])[0],
        "blocks": [] if chain is None else activity.newest_blocks(chain, BLOCKS),
        "block_rows": BLOCKS,
        "now_ms": milliseconds(),
    }
    if request.user.is_authenticated:
        mine = portfolio.read(user_of(request))
        context |= {"portfolio": mine, "cards": list(mine.cards)[:CARDS]}
    return render(request, "overview.html", context)
