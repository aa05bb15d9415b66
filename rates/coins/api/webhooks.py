"""Webhooks of the caller. Nobody sees another's: 404. Changes need a session, as tokens do."""

from __future__ import annotations

from typing import Any, Final, cast

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from foundation.csv_renderer import CSVRenderer
from foundation.queries import NamedFormats, StrictQuery
from rates.api.rates import checked
from rates.api.schema import ErrorEnvelopeSerializer
from rates.coins import outgoing, tasks
from rates.coins.services import webhooks
from rates.models import Webhook, WebhookDelivery

DEFAULT_ROWS, MAX_ROWS = 50, 500
NO_STORE: Final = {"Cache-Control": "no-store"}
WRONG: Final = OpenApiResponse(ErrorEnvelopeSerializer, "Refused; `fields` says what and why.")
MISSING: Final = OpenApiResponse(ErrorEnvelopeSerializer, "You have no such webhook.")


class WebhookSerializer(serializers.Serializer[Any]):
    """``off`` is empty while the address is called, else why it is not."""

    id = serializers.IntegerField(source="pk", read_only=True)
    url = serializers.CharField(max_length=outgoing.LONGEST_URL)
    on = serializers.ChoiceField(
        source="key",
        choices=webhooks.KEYS,
        error_messages={"invalid_choice": f"Allowed: {', '.join(webhooks.KEYS)}."},
    )
    active = serializers.SerializerMethodField()
    off = serializers.CharField(read_only=True, help_text="`owner`, `failing`, `gone` or empty.")
    failures = serializers.IntegerField(read_only=True, help_text="Since the last call taken.")
    failing_since = serializers.DateTimeField(read_only=True, allow_null=True)
    next_attempt_at = serializers.DateTimeField(read_only=True, allow_null=True)
    delivered_at = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)

    def get_active(self, hook: Webhook) -> bool:
        return not hook.off


class SecretSerializer(WebhookSerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown this once.")


class ChangeSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=outgoing.LONGEST_URL, required=False)
    on = serializers.ChoiceField(choices=webhooks.KEYS, required=False)
    active = serializers.BooleanField(required=False)


class DeliverySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    message = serializers.SerializerMethodField(help_text="The `webhook-id` of every attempt.")
    on = serializers.CharField(source="event.key")
    state = serializers.CharField(help_text="`pending`, `delivered` or `failed`.")
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(help_text="Of the last attempt; empty after a 2xx.")
    took_ms = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    attempted_at = serializers.DateTimeField(allow_null=True)

    def get_message(self, delivery: WebhookDelivery) -> str:
        return f"msg_{delivery.event_id.hex}"


class DeliveriesSerializer(serializers.Serializer[Any]):
    deliveries = DeliverySerializer(many=True)
    next = serializers.URLField(allow_null=True)


class DeliveriesQuery(StrictQuery):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ROWS, default=DEFAULT_ROWS)
    before = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)


class WebhookDoor(APIView):
    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]

    def user(self) -> User:
        return cast("User", self.request.user)  # the default permission lets nobody else pass


class WebhooksView(WebhookDoor):
    @extend_schema(summary="Your webhooks", responses=WebhookSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(WebhookSerializer(webhooks.of(self.user()), many=True).data)

    @extend_schema(
        summary="Be called when coins change; the secret is in this answer only",
        request=WebhookSerializer,
        responses={201: SecretSerializer, 400: WRONG, 409: WRONG},
    )
    def post(self, request: Request) -> Response:
        body = WebhookSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        hook, _ = webhooks.make(user=self.user(), url=given["url"], on=given["key"])
        return Response(SecretSerializer(hook).data, status=201, headers=NO_STORE)


class WebhookView(WebhookDoor):
    @extend_schema(summary="One webhook", responses={200: WebhookSerializer, 404: MISSING})
    def get(self, request: Request, number: int) -> Response:
        return Response(WebhookSerializer(webhooks.find(self.user(), number)).data)

    @extend_schema(
        summary="Change its address, what it is called for, or whether",
        request=ChangeSerializer,
        responses={200: WebhookSerializer, 400: WRONG, 404: MISSING},
    )
    def patch(self, request: Request, number: int) -> Response:
        body = ChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        hook = webhooks.change(user=self.user(), number=number, **body.validated_data)
        return Response(WebhookSerializer(hook).data)

    @extend_schema(summary="Remove it and its log", responses={204: None, 404: MISSING})
    def delete(self, request: Request, number: int) -> Response:
        webhooks.remove(user=self.user(), number=number)
        return Response(status=204)


class WebhookSecretView(WebhookDoor):
    @extend_schema(
        summary="A new secret; for a day the old one signs beside it",
        request=None,
        responses={200: SecretSerializer, 404: MISSING},
    )
    def post(self, request: Request, number: int) -> Response:
        hook, _ = webhooks.rotate(user=self.user(), number=number)
        return Response(SecretSerializer(hook).data, headers=NO_STORE)


class WebhookTestView(WebhookDoor):
    @extend_schema(
        summary="Call it once as a test",
        request=None,
        responses={202: DeliverySerializer, 404: MISSING, 409: WRONG, 429: WRONG},
    )
    def post(self, request: Request, number: int) -> Response:
        delivery = webhooks.test(user=self.user(), number=number)
        tasks.deliver_soon()
        return Response(DeliverySerializer(delivery).data, status=202)


class WebhookDeliveriesView(WebhookDoor):
    content_negotiation_class = NamedFormats
    renderer_classes = [JSONRenderer, CSVRenderer, BrowsableAPIRenderer]
    csv_columns = tuple(DeliverySerializer().get_fields())

    @extend_schema(
        summary="Its calls of the last two weeks, newest first",
        parameters=[
            DeliveriesQuery,
            OpenApiParameter("format", str, enum=["json", "csv"]),
        ],
        responses={200: DeliveriesSerializer, 400: WRONG, 404: MISSING},
    )
    def get(self, request: Request, number: int) -> Response:
        hook = webhooks.find(self.user(), number)
        asked = checked(DeliveriesQuery, request.query_params)
        limit = asked["limit"]
        found = list(webhooks.log(hook, before=asked.get("before"))[: limit + 1])
        rows = DeliverySerializer(found[:limit], many=True).data
        following, headers = None, {"Cache-Control": "private, no-store"}
        if len(found) > limit:
            query = request.query_params.copy()
            query["before"] = str(found[limit - 1].pk)
            following = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
            headers["Link"] = f'<{following}>; rel="next"'
        if request.accepted_renderer.format == "csv":
            return Response(list(rows), headers=headers)
        return Response({"deliveries": rows, "next": following}, headers=headers)
