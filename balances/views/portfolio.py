"""What a user's wallets and watched addresses hold together."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from balances.forms import WatchChangeForm, WatchForm
from balances.models import Watch
from balances.services import addresses, history, valuation, watches
from balances.services.amounts import address_text
from balances.services.holdings import Holding
from balances.templatetags.chains import short
from balances.views.doors import signed_in, user_of
from balances.views.rows import Sum, Taste, cells, milliseconds, sum_of
from foundation.errors import QuaysideError

CARDS: Final = 60
ROWS: Final = 5
SHARES: Final = 6


@dataclass(frozen=True, slots=True)
class Card:
    """One watched address. ``holdings`` are what the user wishes to see."""

    watch: Watch
    holdings: list[Holding]
    kept_back: list[Holding]
    sum: Sum

    @property
    def address(self) -> str:
        return address_text(bytes(self.watch.address.raw))

    @property
    def short(self) -> str:
        return short(self.address)

    @property
    def shown(self) -> list[Holding]:
        return self.holdings[:ROWS]

    @property
    def known(self) -> str:
        return cells([*self.holdings[ROWS:], *self.kept_back])

    @property
    def more(self) -> int:
        return max(0, len(self.holdings) - ROWS)

    @property
    def form(self) -> WatchChangeForm:
        return WatchChangeForm.of(self.watch)


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    cards: list[Card]


@dataclass(frozen=True, slots=True)
class Slice:
    """An asset's part of the bar, whose whole length is 100. ``place`` chooses its colour."""

    symbol: str
    usd: Decimal
    percent: Decimal
    x: Decimal
    width: Decimal
    place: int


@dataclass(frozen=True, slots=True)
class Portfolio:
    """``hidden_count`` addresses are in neither the total nor, unless asked for, the cards."""

    sum: Sum
    shares: list[Slice]
    cards: Page[Card]
    groups: list[Group]
    hidden_count: int


def read(user: User, *, show_hidden: bool = False, page: Any = 1) -> Portfolio:
    """Everything at once, in a number of queries that does not grow with what is watched."""
    watched = list(watches.of(user))
    taste = Taste(user)
    cards = _cards(watched, taste)
    visible = [card for card in cards if not card.watch.hidden]
    rest = [holding for card in visible for holding in card.kept_back]
    total = sum_of(list(_each_once(visible).values()), rest)
    shown = cards if show_hidden else visible
    shown.sort(key=lambda card: (not card.watch.group, card.watch.group.casefold(), card.watch.pk))
    paged = Paginator(shown, CARDS).get_page(page)
    groups = groupby(paged, key=lambda card: card.watch.group)
    return Portfolio(
        sum=total,
        shares=_slices(total.shares),
        cards=paged,
        groups=[Group(name, list(found)) for name, found in groups],
        hidden_count=len(cards) - len(visible),
    )


def _cards(watched: list[Watch], taste: Taste) -> list[Card]:
    held = history.current_of(list({watch.address_id: watch.address for watch in watched}.values()))
    flat = [(key, holding) for key, found in held.items() for holding in found]
    valued: dict[int, list[Holding]] = {}
    for (key, _), holding in zip(flat, valuation.value([h for _, h in flat]), strict=True):
        valued.setdefault(key, []).append(holding)
    cards = []
    for watch in watched:
        found = [
            holding
            for holding in valued.get(watch.address_id, [])
            if watch.chain_id in (None, holding.token.chain_id)
        ]
        shown = taste.shown(found)
        drawn = {id(holding) for holding in shown}
        rest = [holding for holding in found if id(holding) not in drawn]
        cards.append(Card(watch, shown, rest, sum_of(shown, rest)))
    return cards


def _each_once(cards: list[Card]) -> dict[tuple[int, int], Holding]:
    """An address may be watched twice, on all chains and on one; what it holds counts once."""
    return {
        (card.watch.address_id, holding.token.pk): holding
        for card in cards
        for holding in card.holdings
    }


def _slices(shares: list[valuation.Share]) -> list[Slice]:
    """The largest, and the rest as one."""
    named, rest = shares[: SHARES - 1], shares[SHARES - 1 :]
    if len(rest) == 1:
        named, rest = shares, []
    parts = [(share.symbol, share.usd, share.percent) for share in named]
    if rest:
        usd = sum((share.usd for share in rest), Decimal(0))
        parts.append((f"{len(rest)} others", usd, sum((s.percent for s in rest), Decimal(0))))
    found, x = [], Decimal(0)
    for place, (symbol, usd, percent) in enumerate(parts, start=1):
        found.append(Slice(symbol, usd, percent, x, percent, place))
        x += percent
    return found


@gzip_page
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def portfolio(request: HttpRequest) -> HttpResponse:
    """The list; by POST an address is added, by ``?address=`` any address is looked up."""
    if request.method == "POST":
        return _add(request)
    if "address" in request.GET:
        return _look_up(request, request.GET["address"])
    return _page(request, WatchForm(initial={"address": request.GET.get("watch", "")[:120]}))


@signed_in
@require_POST
def change_watch(request: HttpRequest, watch_id: int) -> HttpResponse:
    watch = watches.get(user_of(request), watch_id)
    form = WatchChangeForm.of(watch)
    form = WatchChangeForm(request.POST, auto_id=form.auto_id)
    known = [name for name in form.fields if name in request.POST or name == "hidden"]
    facts: dict[str, Any] = {name: request.POST.get(name, "") for name in known}
    try:
        changed = watches.change(user_of(request), watch_id, **facts)
    except QuaysideError as refused:
        reasons = [why for reasons in refused.fields.values() for why in reasons]
        messages.error(request, " ".join(reasons) or refused.message)
        return redirect("balances:list")
    named = changed.label or short(address_text(bytes(changed.address.raw)))
    messages.success(request, f"Saved: {named}.")
    return redirect("balances:list")


@signed_in
@require_POST
def remove_watch(request: HttpRequest, watch_id: int) -> HttpResponse:
    watch = watches.get(user_of(request), watch_id)
    try:
        watches.remove(user_of(request), watch_id)
    except QuaysideError as refused:
        messages.error(request, refused.message)
    else:
        spelled = address_text(bytes(watch.address.raw))
        messages.success(request, f"You do not watch {watch.label or short(spelled)} any more.")
    return redirect("balances:list")


def _add(request: HttpRequest) -> HttpResponse:
    form = WatchForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=400)
    try:
        watch = watches.add(user_of(request), **form.cleaned_data)
    except QuaysideError as refused:
        form.refuse(refused)
        response = _page(request, form, status=refused.status)
        if refused.retry_after is not None:
            response["Retry-After"] = str(refused.retry_after)
        return response
    spelled = address_text(bytes(watch.address.raw))
    messages.success(request, f"You watch {watch.label or short(spelled)} now.")
    return redirect("balances:list")


def _look_up(request: HttpRequest, given: str) -> HttpResponse:
    try:
        raw = addresses.parse(given)
    except QuaysideError as refused:
        messages.error(request, refused.message)
        return _page(request, WatchForm(), status=refused.status)
    return redirect("balances:address", address=address_text(raw))


def _page(request: HttpRequest, form: WatchForm, *, status: int = 200) -> HttpResponse:
    show_hidden = request.GET.get("hidden") == "1"
    found = read(user_of(request), show_hidden=show_hidden, page=request.GET.get("page"))
    context = {
        "portfolio": found,
        "form": form,
        "show_hidden": show_hidden,
        "now_ms": milliseconds(),
    }
    return render(request, "balances/list.html", context, status=status)
