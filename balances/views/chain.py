"""Newest blocks and transactions of one chain, filtered on the server."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from balances.forms import ActivityForm
from balances.models import Chain, Token, Transfer, Tx
from balances.services import activity, addresses
from balances.services.activity import Filters
from balances.services.amounts import address_text
from balances.services.chain_state import states_of
from balances.templatetags.chains import called, hexed, short
from balances.views.rows import milliseconds
from foundation.errors import InvalidInput, QuaysideError

BLOCKS: Final = 20
ENTRIES: Final = 25
TOKENS: Final = 100
FILTERS: Final = ("address", "direction", "min_value", "token")
NATIVE: Final = ""
UNITS: Final = re.compile(r"(\d{1,78})(?:\.(\d{0,78}))?|\.(\d{1,78})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction, or what it moved of a token."""

    hash: str
    block_number: int
    sender: bytes
    recipient: bytes | None
    value: int
    symbol: str
    decimals: int | None
    ok: bool | None


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force. ``without`` is the address of the page that lacks it."""

    text: str
    without: str


@gzip_page
@require_safe
def chain(request: HttpRequest) -> HttpResponse:
    """Never asks a node: what stands here is what the follower has read."""
    chains = list(Chain.objects.followed())
    if not chains:
        return render(request, "balances/chain.html", {"chain": None})
    try:
        chosen = addresses.chain_by_id(request.GET.get("chain") or chains[0].pk)
    except QuaysideError as unknown:
        context = {"problem": unknown.message, "chains": chains}
        return render(request, "balances/unknown_chain.html", context, status=unknown.status)
    return _page(request, chosen, chains)


def _page(request: HttpRequest, chain: Chain, chains: list[Chain]) -> HttpResponse:
    tokens = list(
        Token.objects.filter(chain=chain, status=Token.Status.LISTED)
        .exclude(contract=b"")
        .order_by("symbol")[:TOKENS]
    )
    choices = [(NATIVE, chain.native_symbol), *((hexed(t.contract), called(t)) for t in tokens)]
    given = {name: request.GET.get(name, "") for name in FILTERS}
    form = ActivityForm(given, tokens=choices, auto_id="filter-%s")
    cursor = request.GET.get("before", "")
    status, filters = 200, Filters()
    page: activity.Page[Tx] = activity.Page([], None)
    try:
        filters = read_filters(form, chain, tokens)
        page = activity.transactions(chain, filters, cursor=cursor, limit=ENTRIES)
    except QuaysideError as refused:
        if form.is_valid():
            form.refuse(refused)
        status = refused.status
    active = _chips(request.GET, form, chain) if form.is_valid() else []
    context = {
        "chains": chains,
        "chain": chain,
        "state": states_of([chain])[0],
        "blocks": activity.newest_blocks(chain, BLOCKS),
        "entries": _entries(page.rows, chain, filters),
        "is_transfers": filters.token is not None,
        "form": form,
        "active": active,
        # A page of older ones, as a filtered one, is read from here and not drawn from messages.
        "fixed": bool(active or cursor or status != 200),
        "newer": _address(request.GET, before=None) if cursor else "",
        "older": _address(request.GET, before=page.cursor) if page.cursor else "",
        "now_ms": milliseconds(),
        "block_rows": BLOCKS,
        "rows": ENTRIES,
    }
    return render(request, "balances/chain.html", context, status=status)


def read_filters(form: ActivityForm, chain: Chain, tokens: Iterable[Token]) -> Filters:
    """Raises ``InvalidInput`` naming the field."""
    if not form.is_valid():
        raise InvalidInput("Check the fields below.")
    given = form.cleaned_data
    token = next((t for t in tokens if hexed(t.contract) == given["token"]), None)
    decimals = chain.native_decimals if token is None else token.decimals
    return Filters(
        address=addresses.parse(given["address"]) if given["address"] else None,
        direction=given["direction"],
        min_value=base_units(given["min_value"], decimals or 0) if given["min_value"] else 0,
        token=token,
    )


def base_units(text: str, decimals: int) -> int:
    """``1.5`` with 6 decimals -> 1500000. Raises ``InvalidInput``."""
    found = UNITS.fullmatch(text.replace(",", "").strip())
    whole, part = (found[1] or "0", found[2] or found[3] or "") if found else ("", "")
    if found is None or len(part.rstrip("0")) > decimals:
        problem = f"Write a number with at most {decimals} places, such as 0.5."
        raise InvalidInput(problem, fields={"min_value": [problem]})
    return int(whole + part.rstrip("0").ljust(decimals, "0"))


def _entries(rows: list[Tx], chain: Chain, filters: Filters) -> list[Entry]:
    if filters.token is not None:
        return _moved(rows, filters, filters.token)
    return [
        Entry(
            hash=hexed(row.hash),
            block_number=row.block_number,
            sender=bytes(row.sender),
            recipient=None if row.recipient is None else bytes(row.recipient),
            value=row.value,
            symbol=chain.native_symbol,
            decimals=chain.native_decimals,
            ok=row.ok,
        )
        for row in rows
    ]


def _moved(rows: list[Tx], filters: Filters, token: Token) -> list[Entry]:
    """What these transactions moved of the token: a reader who asked for it wants to see that."""
    order = {(row.block_id, bytes(row.hash)): place for place, row in enumerate(rows)}
    moves = Transfer.objects.filter(
        token=token,
        block__in={row.block_id for row in rows},
        tx_hash__in=[row.hash for row in rows],
    )
    shown = [move for move in moves if _passes(move, filters)]
    shown.sort(key=lambda move: (order[move.block_id, bytes(move.tx_hash)], move.log_index))
    return [
        Entry(
            hash=hexed(move.tx_hash),
            block_number=move.block_number,
            sender=bytes(move.sender),
            recipient=bytes(move.recipient),
            value=move.value,
            symbol=called(token),
            decimals=token.decimals,
            ok=True,
        )
        for move in shown
    ]


def _passes(move: Transfer, filters: Filters) -> bool:
    sides = {"in": [move.recipient], "out": [move.sender]}
    ends = sides.get(filters.direction, [move.sender, move.recipient])
    mine = filters.address is None or filters.address in [bytes(end) for end in ends]
    return mine and move.value >= filters.min_value


def _chips(query: QueryDict, form: ActivityForm, chain: Chain) -> list[Chip]:
    given = form.cleaned_data
    tokens = dict(form.fields["token"].choices)  # type: ignore[attr-defined]
    asset = tokens.get(given["token"], chain.native_symbol)
    texts = {
        "address": f"Address {_short(given['address'])}",
        "direction": {"in": "Only in", "out": "Only out"}.get(given["direction"], ""),
        "min_value": f"At least {given['min_value']} {asset}",
        "token": f"Asset {asset}",
    }
    return [
        Chip(texts[name], _address(query, **{name: None, "before": None}))
        for name in FILTERS
        if given[name]
    ]


def _short(text: str) -> str:
    return short(address_text(bytes.fromhex(text[2:]))) if len(text) == 42 else text


def _address(query: QueryDict, **changes: Any) -> str:
    """This page with ``changes`` to its query; ``None`` takes a parameter out."""
    changed = query.copy()
    for name, value in changes.items():
        changed.pop(name, None)
        if value is not None:
            changed[name] = value
    for name in FILTERS:
        if not changed.get(name):
            changed.pop(name, None)
    text = changed.urlencode()
    return f"{reverse('balances:chain')}{f'?{text}' if text else ''}"
