"""What an address holds and held, for whoever is signed in. No request here asks a node."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.services import acts
from balances.api import queries, schema, tables
from balances.api.doors import TableView
from balances.constants import LOOKED_UP
from balances.services import activity, changes, export, history, lookup, preferences, valuation
from balances.services.amounts import address_text
from foundation.errors import NotFound


class BalancesView(TableView):
    @schema.BALANCES
    def get(self, request: Request, address: str) -> Response:
        """What the address holds, or held at a block or a time. Unknown is never zero."""
        asked = queries.checked(queries.BalancesQuery, request.query_params)
        chain = queries.named_chain(asked)
        found = lookup.look_up(address, by=request.user.pk)
        holdings = history.balances_at(
            found,
            block=asked.get("block"),
            at=asked.get("at"),
            chain=chain,
            by=request.user.pk,
        )
        spelled = address_text(bytes(found.raw))
        acts.note(request.user, LOOKED_UP, spelled)
        now = timezone.now()
        rows = [tables.holding_object(holding, now) for holding in holdings]
        headers = {"Cache-Control": "private, no-cache"}
        if self.wants_csv(request):
            return Response([tables.flat(row) for row in rows], headers=headers)
        body = {
            "address": spelled,
            "holdings": rows,
            "totals": tables.totals_object(
                valuation.totals(holdings, shows=preferences.of(request.user))
            ),
        }
        return Response(body, headers=headers)


class HistoryView(TableView):
    @schema.HISTORY
    def get(self, request: Request, address: str) -> HttpResponseBase:
        """Every change of one token's balance, newest first. CSV gives all of them at once."""
        asked = queries.checked(queries.HistoryQuery, request.query_params)
        chain = queries.chain_of(asked)
        token = queries.token_of(asked, chain)
        if token is None:
            raise NotFound("There is no such token.", code="unknown_token")
        found, before = lookup.look_up(address, by=request.user.pk), asked.get("before")
        if self.wants_csv(request):
            parts = export.changes(found, token, before=before)
            return self.file(f"{found}-{chain.pk}-history", parts)
        page = changes.changes(found, token, before=before, limit=asked["limit"])
        rows = [tables.change_object(row, token) for row in page.rows]
        following = {} if page.before is None else {"before": page.before}
        return self.listed(request, "changes", rows, following)


class TransfersView(TableView):
    @schema.TRANSFERS
    def get(self, request: Request, address: str) -> HttpResponseBase:
        """What came and went, coin and tokens, newest first. CSV gives everything at once."""
        asked = queries.checked(queries.TransfersQuery, request.query_params)
        chain = queries.chain_of(asked)
        filters = queries.filters_of(asked, chain)
        found, cursor = lookup.look_up(address, by=request.user.pk), asked.get("cursor", "")
        page = activity.transfers(
            found, chain, filters, cursor=cursor, limit=asked["limit"], spam=asked["spam"]
        )
        if self.wants_csv(request):
            parts = export.transfers(found, chain, filters, spam=asked["spam"], cursor=cursor)
            return self.file(f"{found}-{chain.pk}-transfers", parts)
        raw = bytes(found.raw)
        rows = [tables.movement_object(movement, raw) for movement in page.rows]
        following = {} if page.cursor is None else {"cursor": page.cursor}
        return self.listed(request, "transfers", rows, following)
