"""Verdicts on mail domains, for everybody."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation.conditional import ALWAYS_ASK
from orgs.authentication import KeyAuthentication
from orgs.services import verdicts
from orgs.services.verdicts import Verdict

# Who sends events asks with the same credential.
WAYS_IN: list[type[BaseAuthentication]] = [KeyAuthentication, *APIView.authentication_classes]


class MailDomainSerializer(serializers.Serializer[Any]):
    domain = serializers.CharField(help_text="As we spell it: lower case, A-labels.")
    delivered = serializers.IntegerField()
    bounced = serializers.IntegerField()
    verdict = serializers.ChoiceField(choices=[str(verdict) for verdict in Verdict])


class VerdictView(APIView):
    """A JSON string, in the words of the service that this one replaces."""

    authentication_classes = WAYS_IN
    permission_classes = [AllowAny]

    @extend_schema(
        summary="Whether a domain takes whatever is sent to it",
        description="`catch-all`, `not catch-all` or `unknown`, which is also told of new domains.",
        responses={(200, "application/json"): {"type": "string", "enum": [*map(str, Verdict)]}},
    )
    def get(self, request: Request, domain: str) -> Response:
        verdict = verdicts.verdict_of(domain)
        return Response(str(verdict), headers={"Cache-Control": ALWAYS_ASK})


class DomainView(APIView):
    """A domain's counters and what follows from them."""

    authentication_classes = WAYS_IN
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="mail_domain",
        summary="Deliveries, bounces and verdict of a domain",
        responses=MailDomainSerializer,
    )
    def get(self, request: Request, domain: str) -> Response:
        counts = verdicts.counts_of(domain)
        told = {
            "domain": counts.domain,
            "delivered": counts.delivered,
            "bounced": counts.bounced,
            "verdict": str(verdicts.judge(counts.delivered, counts.bounced)),
        }
        return Response(told, headers={"Cache-Control": ALWAYS_ASK})
