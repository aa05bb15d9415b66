"""An organisation's treasury over HTTP: its addresses, and for members what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from foundation.csv_renderer import CSVRenderer
from orgs.api.organisations import FORMAT, LISTS, SPREADSHEET, OrgView
from orgs.services import rights, treasury
from orgs.services.rights import Act


class WorthSerializer(serializers.Serializer[Any]):
    usd = serializers.DecimalField(
        max_digits=120, decimal_places=2, allow_null=True, help_text="`null`: not known."
    )
    complete = serializers.BooleanField(help_text="Whether nothing is left out of it.")


class TreasuryAddressSerializer(serializers.Serializer[Any]):
    address = serializers.CharField(max_length=120)
    # The base class has a label of its own, which is another thing.
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=treasury.MAX_LABEL,
        required=False,
        allow_blank=True,
        default="",
        source="row.label",
    )
    added_at = serializers.DateTimeField(read_only=True, source="row.added_at")
    worth = WorthSerializer(
        read_only=True, allow_null=True, help_text="For members; `null` for the desk's people."
    )


class TreasuryView(OrgView):
    renderer_classes = LISTS
    csv_columns = ("address", "label", "added_at", "worth_usd", "worth_complete")

    @extend_schema(
        summary=f"Its treasury addresses, at most {treasury.MAX_ADDRESSES}",
        parameters=[FORMAT],
        responses={(200, "application/json"): TreasuryAddressSerializer(many=True), **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        org = self.org(slug)
        belongs = rights.role_in(self.user(), org) is not None
        found = treasury.valued(org) if belongs else treasury.of(org)
        rows = list(TreasuryAddressSerializer(found, many=True).data)
        if request.accepted_renderer.format == CSVRenderer.format:
            rows = [_flat(row) for row in rows]
        return Response(rows)

    @extend_schema(
        summary="Name an address as its own, and follow it",
        request=TreasuryAddressSerializer,
        responses={201: TreasuryAddressSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        asked = self.given(TreasuryAddressSerializer)
        row = treasury.add(
            org=org, by=self.user(), address=asked["address"], label=asked["row"]["label"]
        )
        told = treasury.Held(row, treasury.Worth())
        return Response(TreasuryAddressSerializer(told).data, status=201)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    worth = row["worth"] or {"usd": None, "complete": None}
    plain = {name: value for name, value in row.items() if name != "worth"}
    return {**plain, "worth_usd": worth["usd"], "worth_complete": worth["complete"]}


class TreasuryAddressView(OrgView):
    @extend_schema(summary="Take an address out of its treasury", responses={204: None})
    def delete(self, request: Request, slug: str, address: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        treasury.remove(org=org, by=self.user(), address=address)
        return Response(status=204)
