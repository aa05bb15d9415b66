"""One address: what it holds, held, received and sent. Whoever is signed in may look at any."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import qrcode
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe
from rest_framework.exceptions import ValidationError

from accounts.services import acts
from balances.constants import LOOKED_UP, NATIVE
from balances.forms import MomentForm
from balances.models import Address, Chain, Token, TokenPreference
from balances.services import activity, addresses, changes, history, lookup, watches
from balances.services.amounts import address_text
from balances.services.chain_state import states_of
from balances.services.holdings import Holding
from balances.templatetags.chains import called
from balances.views.doors import signed_in, user_of
from balances.views.rows import Sum, Taste, cells, milliseconds, sum_of
from foundation.errors import InvalidInput, NotFound, QuaysideError, RateLimited
from foundation.json_views import refusal
from foundation.queries import MomentField

TRANSFERS: Final = 25
QUIET: Final = 4
STEPS: Final = 400
WAYS: Final = {"": "All", "in": "In", "out": "Out"}
NO_TIME: Final = "Write a date and a time, such as 2026-01-31T12:00."
BLOCK: Final = re.compile(r"\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Moment:
    """What the pickers ask for. Nothing of it: now."""

    chain: Chain | None = None
    block: int | None = None
    at: datetime | None = None

    @property
    def is_past(self) -> bool:
        return self.block is not None or self.at is not None


@dataclass(frozen=True, slots=True)
class Held:
    """``shown`` is what the user wishes to see, ``spam`` what not, ``zero`` tokens that are gone.

    ``problem`` says why it is not of the moment that was asked for.
    """

    shown: list[Holding] = field(default_factory=list)
    spam: list[Holding] = field(default_factory=list)
    zero: list[Holding] = field(default_factory=list)
    moment: Moment = field(default_factory=Moment)
    problem: str = ""
    status: int = 200

    @property
    def sum(self) -> Sum:
        return sum_of(self.shown, self.spam)

    @property
    def loading(self) -> bool:
        return any(holding.state == "loading" for holding in self.shown)

    @property
    def charted(self) -> list[Holding]:
        return [holding for holding in self.shown if holding.token.decimals is not None]

    @property
    def kept_back(self) -> str:
        return cells([*self.spam, *self.zero])


@gzip_page
@signed_in
@require_safe
def address(request: HttpRequest, address: str) -> HttpResponse:
    """Opening it makes the desk follow the address for a while. No node is asked meanwhile."""
    try:
        raw = addresses.parse(address)
    except InvalidInput as refused:
        why = {"problem": refused.message, "given": address}
        return render(request, "balances/not_address.html", why, status=404)
    spelled = address_text(raw)
    try:
        found = lookup.look_up(raw, by=request.user.pk)
    except RateLimited as refused:
        return _too_many(request, spelled, refused)
    acts.note(request.user, LOOKED_UP, spelled)
    chains = list(Chain.objects.followed())
    names = [(str(chain.pk), chain.name) for chain in chains]
    given = {name: request.GET.get(name, "") for name in ("chain", "block", "at")}
    form = MomentForm(given, chains=names, auto_id="when-%s")
    held = _held(found, form, Taste(request.user), chains, by=request.user.pk)
    chain = _chain_of(request, chains)
    context: dict[str, Any] = {
        "address": spelled,
        "raw": raw,
        "watch": watches.of(request.user).filter(address=found).first(),
        "held": held,
        "form": form,
        "chains": chains,
        "chain": chain,
        "states": states_of(chains),
        "show_spam": request.GET.get("spam") == "1",
        "spam_shown": _here(request, spam="1"),
        "spam_hidden": _here(request, spam=None),
        "now_ms": milliseconds(),
    }
    context |= _transfers(request, raw, chain)
    return render(request, "balances/address.html", context, status=held.status)


def _too_many(request: HttpRequest, spelled: str, refused: RateLimited) -> HttpResponse:
    why = {"problem": refused.message, "address": spelled}
    response = render(request, "balances/too_many.html", why, status=refused.status)
    response["Retry-After"] = str(refused.retry_after)
    return response


@signed_in
@require_POST
def prefer_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """The user's own word on a token: ``shown`` is 1, 0, or empty for the desk's."""
    token = Token.objects.filter(pk=token_id).first()
    said = request.POST.get("shown", "")
    if token is None or said not in ("", "0", "1"):
        raise Http404("There is no such token.")
    user = user_of(request)
    if said:
        preference = {"shown": said == "1"}
        TokenPreference.objects.update_or_create(owner=user, token=token, defaults=preference)
    else:
        TokenPreference.objects.filter(owner=user, token=token).delete()
    word = {"1": "shown", "0": "hidden"}.get(said, "shown as the desk has it")
    messages.success(request, f"{called(token)} is {word} from now on.")
    return redirect(_back(request))


@signed_in
@require_safe
def qr_code(request: HttpRequest, address: str) -> HttpResponse:
    try:
        spelled = address_text(addresses.parse(address))
    except InvalidInput as refused:
        raise Http404(refused.message) from refused
    headers = {"Cache-Control": "private, max-age=86400"}
    return HttpResponse(drawn(spelled), content_type="image/svg+xml", headers=headers)


@signed_in
@require_safe
def steps(request: HttpRequest, address: str) -> HttpResponse:
    """What the chart draws of one cell, ``?cell=1:native``: time, balance, block, kind.

    Without a balance, and of kind ``unknown``, where nobody knows what came after that block.
    As many steps as a chart has places; the API lists every change. Refusals are the API's.
    """
    try:
        raw = addresses.parse(address)
        token = _token_of(request.GET.get("cell", ""))
    except QuaysideError as refused:
        return refusal(refused)
    found = Address.objects.filter(raw=raw).first()
    series = [] if found is None else changes.series(found, token, steps=STEPS)
    rows = [
        [
            int(step.at.timestamp()),
            None if step.value is None else str(step.value),
            step.block_number,
            step.kind,
        ]
        for step in series
        if step.at is not None
    ]
    return JsonResponse({"steps": rows})


def _token_of(cell: str) -> Token:
    """Raises ``NotFound`` and ``InvalidInput``."""
    named, _, contract = cell.partition(":")
    chain = addresses.chain_by_id(named)
    raw = NATIVE if contract == "native" else addresses.parse(contract, field="cell")
    token = Token.objects.filter(chain=chain, contract=raw).select_related("chain").first()
    if token is None:
        raise NotFound("There is no such token.", code="unknown_token")
    return token


def drawn(text: str) -> str:
    """A QR code of ``text`` as SVG, black on nothing, with its quiet zone."""
    code = qrcode.QRCode(border=QUIET)
    code.add_data(text)
    matrix = code.get_matrix()
    dots = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark
    )
    box = f'viewBox="0 0 {len(matrix)} {len(matrix)}" shape-rendering="crispEdges"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}><path d="{dots}"/></svg>'


def _held(
    address: Address, form: MomentForm, taste: Taste, chains: list[Chain], *, by: int | None
) -> Held:
    """What was held at the moment that the form names; with a problem of it, what is held now."""
    moment, problem, status = Moment(), "", 200
    try:
        moment = _moment(form)
        # The only chain need not be named, nor looked for again.
        only = chains[0] if len(chains) == 1 and moment.block is not None else None
        found = history.balances_at(
            address,
            block=moment.block,
            at=moment.at,
            chain=(moment.chain or only) if moment.is_past else None,
            by=by,
        )
    except QuaysideError as refused:
        if form.is_valid():
            form.refuse(refused)
        problem, status, moment = refused.message, refused.status, Moment()
        found = history.current(address)
    shown = taste.shown(found)
    spam = taste.hidden(found)
    rest = {id(holding) for holding in [*shown, *spam]}
    zero = [holding for holding in found if id(holding) not in rest]
    return Held(shown, spam, zero, moment, problem, status)


def _moment(form: MomentForm) -> Moment:
    """Raises ``InvalidInput`` and ``NotFound``."""
    if not form.is_valid():
        raise InvalidInput(" ".join(str(why) for whys in form.errors.values() for why in whys))
    given = form.cleaned_data
    chain = addresses.chain_by_id(given["chain"]) if given["chain"] else None
    if not given["block"] and not given["at"]:
        return Moment(chain)
    if given["block"]:
        block = given["block"].replace(",", "").strip()
        if not BLOCK.fullmatch(block):
            problem = "A block's number is a whole number, such as 21234567."
            raise InvalidInput(problem, code="bad_block", fields={"block": [problem]})
        at = _time(given["at"]) if given["at"] else None
        return Moment(chain, int(block), at)
    return Moment(chain, at=_time(given["at"]))


def _time(text: str) -> datetime:
    """As the API reads it. Raises ``InvalidInput``."""
    try:
        return MomentField().to_internal_value(text)
    except ValidationError as refused:
        told = refused.detail if isinstance(refused.detail, list) else []
        problem = NO_TIME if refused.get_codes() == ["invalid"] else " ".join(map(str, told))
        raise InvalidInput(problem, code="bad_time", fields={"at": [problem]}) from refused


def _chain_of(request: HttpRequest, chains: list[Chain]) -> Chain | None:
    """Whose transfers are listed: the chain that was asked for, or the first."""
    asked = request.GET.get("chain", "")
    return next((each for each in chains if str(each.pk) == asked), chains[0] if chains else None)


def _transfers(request: HttpRequest, raw: bytes, chain: Chain | None) -> dict[str, Any]:
    cursor = request.GET.get("before", "")
    spam = request.GET.get("spam") == "1"
    way = request.GET.get("way", "")
    way = way if way in WAYS else ""
    if chain is None:
        return {"transfers": [], "older": "", "newer": ""}
    filters = activity.Filters(direction=way)
    try:
        page = activity.transfers(raw, chain, filters, cursor=cursor, limit=TRANSFERS, spam=spam)
    except InvalidInput:
        # An old link with a cursor that is none: begin at the newest.
        cursor = ""
        page = activity.transfers(raw, chain, filters, limit=TRANSFERS, spam=spam)
    return {
        "way": way,
        "ways": [
            (name, text, _here(request, way=name or None, before=None))
            for name, text in WAYS.items()
        ],
        "transfers_csv": _csv_of(raw, chain, way, spam=spam),
        "transfers": [(row, row.direction_of(raw)) for row in page.rows],
        "older": _here(request, before=page.cursor) if page.cursor else "",
        "newer": _here(request, before=None) if cursor else "",
    }


def _csv_of(raw: bytes, chain: Chain, way: str, *, spam: bool) -> str:
    """Where the API streams what the page lists, narrowed as the page is."""
    asked = {"format": "csv", "chain": str(chain.pk), "spam": str(spam).lower()}
    query = urlencode(asked | ({"direction": way} if way else {}))
    return f"/api/v1/balances/{address_text(raw)}/transfers?{query}"


def _here(request: HttpRequest, **changes: str | None) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = value
    return f"?{query.urlencode()}" if query else request.path


def _back(request: HttpRequest) -> str:
    """The address page that the form stood on."""
    given = request.POST.get("address", "")
    try:
        return reverse("balances:address", args=[address_text(addresses.parse(given))])
    except InvalidInput:
        return reverse("balances:list")
