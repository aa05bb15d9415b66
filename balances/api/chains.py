"""Chains, their newest blocks and transactions, for everybody."""

from __future__ import annotations

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import queries, schema, tables
from balances.api.doors import PublicTableView
from balances.models import Chain
from balances.services import activity
from balances.services.chain_state import states_of
from foundation.queries import StrictQuery


class ChainsView(PublicTableView):
    @schema.CHAINS
    def get(self, request: Request) -> Response:
        """Every chain that is followed, with its newest block and its age."""
        queries.checked(StrictQuery, request.query_params)
        now = timezone.now()
        states = states_of(list(Chain.objects.followed()))
        rows = [tables.chain_object(state, now) for state in states]
        return self.listed(request, "chains", rows, {})


class BlocksView(PublicTableView):
    @schema.BLOCKS
    def get(self, request: Request) -> Response:
        """Blocks, newest first; with `after` those that were missed since."""
        asked = queries.checked(queries.BlocksQuery, request.query_params)
        chain = queries.chain_of(asked)
        before, after = asked.get("before"), asked.get("after")
        page = activity.blocks(chain, before=before, after=after, limit=asked["limit"])
        rows = [tables.block_object(block) for block in page.rows]
        name = "before" if after is None else "after"
        return self.listed(request, "blocks", rows, {name: page.cursor} if page.cursor else {})


class TransactionsView(PublicTableView):
    @schema.TRANSACTIONS
    def get(self, request: Request) -> Response:
        """Transactions of the newest 256 blocks, newest first."""
        asked = queries.checked(queries.TransactionsQuery, request.query_params)
        chain = queries.chain_of(asked)
        page = activity.transactions(
            chain,
            queries.filters_of(asked, chain),
            cursor=asked.get("cursor", ""),
            limit=asked["limit"],
        )
        rows = [tables.tx_object(tx, chain) for tx in page.rows]
        following = {"cursor": page.cursor} if page.cursor else {}
        return self.listed(request, "transactions", rows, following)
