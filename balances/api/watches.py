"""The addresses that the caller watches. Nobody sees another's."""

from __future__ import annotations

from typing import cast

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from balances.api import queries, schema, tables
from balances.api.doors import TableView
from balances.serializers import WatchAddSerializer, WatchChangeSerializer
from balances.services import addresses, watches


class WatchesView(TableView):
    @schema.WATCHES
    def get(self, request: Request) -> Response:
        """What you watch, oldest first."""
        asked = queries.checked(queries.WatchesQuery, request.query_params)
        limit = asked["limit"]
        found = list(watches.of(request.user).filter(pk__gt=asked.get("after", 0))[: limit + 1])
        rows = [tables.watch_object(watch) for watch in found[:limit]]
        following = {"after": rows[-1]["id"]} if len(found) > limit else {}
        return self.listed(request, "watches", rows, following)

    @schema.WATCH_ADD
    def post(self, request: Request) -> Response:
        """Watch an address. What it holds is read in the background and pushed when it is there."""
        body = WatchAddSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        facts = dict(body.validated_data)
        given = facts.pop("chain", None)
        chain = None if given is None else addresses.chain_by_id(given)
        address = facts.pop("address")
        # The default permissions let nobody else pass.
        watch = watches.add(cast("User", request.user), address, chain=chain, **facts)
        return Response(tables.watch_object(watch), status=status.HTTP_201_CREATED)


class WatchView(TableView):
    @schema.WATCH_CHANGE
    def patch(self, request: Request, watch_id: int) -> Response:
        """Change the label, group, colour, or whether it is hidden."""
        body = WatchChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user = cast("User", request.user)
        watch = watches.change(user, watch_id, **body.validated_data)
        return Response(tables.watch_object(watch))

    @schema.WATCH_REMOVE
    def delete(self, request: Request, watch_id: int) -> Response:
        """Stop watching. A linked wallet is hidden, or unlinked on the account page."""
        watches.remove(cast("User", request.user), watch_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
