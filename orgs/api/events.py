"""Events from programs: many a call, or one by its address.

``orgs.fastlane`` answers the open door of single events the same way, without Django.
"""

from __future__ import annotations

from typing import Any, Final

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, UnsupportedMediaType
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenAuthentication
from accounts.models import Scope
from foundation.errors import TooLarge
from foundation.throttling import PassesWithoutCache
from orgs.authentication import KeyAuthentication
from orgs.constants import KINDS, MAX_BODY
from orgs.models import ApiKey
from orgs.permissions import SendsEvents, SendsEventsOrOpen, orgs_of
from orgs.services import batches, ingest, singles
from orgs.services.inflating import inflate
from orgs.services.windows import window

ARRAY: Final = "application/json"
LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
SENT: Final = {
    "type": "object",
    "required": ["kind", "event_id", "ts"],
    "properties": {
        "kind": {"type": "string", "enum": [batches.ACTION, *KINDS]},
        "event_id": {"type": "string", "format": "uuid", "description": "A UUID of version 7."},
        "ts": {"type": "string", "format": "date-time"},
        "org": {"type": "integer", "description": "Of an action: whose it is."},
        "user": {"type": "integer", "description": "Of an action: who acted, one id in all orgs."},
        "name": {"type": "string", "maxLength": 64, "description": "Of an action."},
        "domain": {"type": "string", "description": "Of a delivery or bounce."},
    },
    "example": {
        "kind": "delivered",
        "event_id": "01980a3e-7c00-7000-8000-000000000000",
        "ts": "2026-11-21T12:00:00Z",
        "domain": "example.com",
    },
}


class StoredSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="Counted now.")
    duplicates = serializers.IntegerField(help_text="Counted before, or twice in this call.")


class EventThrottle(PassesWithoutCache):
    """By key, or by the token's user. An open door is bounded by its queue alone."""

    scope = "events"

    def get_cache_key(self, request: Request, view: APIView | None) -> str | None:
        held = request.auth
        if held is None:
            return None
        who = f"key-{held.pk}" if isinstance(held, ApiKey) else f"user-{request.user.pk}"
        return self.cache_format % {"scope": self.scope, "ident": who}


class EventsView(APIView):
    """Counted once by ``event_id``, durably before the answer; nothing of a refused call is."""

    authentication_classes = [KeyAuthentication, TokenAuthentication]
    permission_classes = [SendsEvents]
    throttle_classes = [EventThrottle]
    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]
    token_scope = Scope.EVENTS

    @extend_schema(
        operation_id="send_events",
        summary="Send events",
        description=(
            "A JSON array or NDJSON, gzip allowed: at most 10,000 events, 5,000 of them actions. "
            "All are stored or none; repeat a call with the same ids as often as you like."
        ),
        request={
            ARRAY: {"type": "array", "items": SENT},
            "application/x-ndjson": SENT,
        },
        responses={
            202: StoredSerializer,
            413: OpenApiResponse(description="Too many events, or too long a body."),
            422: OpenApiResponse(description="`fields` names the events at fault by their place."),
        },
    )
    def post(self, request: Request) -> Response:
        items = _decode(request)
        orgs = orgs_of(request.auth)
        batch = batches.judge(items, orgs=orgs, window=window(timezone.now()))
        stored = ingest.store(batch)
        told = {"accepted": stored.accepted, "duplicates": stored.duplicates}
        return Response(told, status=202, headers={"Cache-Control": "no-store"})


class EventView(APIView):
    """One delivery or bounce. With ``Idempotency-Key`` it counts once; without, at least once."""

    authentication_classes = [KeyAuthentication, TokenAuthentication]
    permission_classes = [SendsEventsOrOpen]
    # Tokens of users alone come here: the fast lane, whose queue is bounded, takes the rest.
    throttle_classes = [EventThrottle]
    renderer_classes = [JSONRenderer]
    token_scope = Scope.EVENTS

    @extend_schema(
        summary="Send one event",
        parameters=[
            OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(KINDS)),
            OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER),
        ],
        request=None,
        responses={204: OpenApiResponse(description="Counted, durably.")},
    )
    def put(self, request: Request, domain: str, kind: str) -> Response:
        if kind not in KINDS:
            raise NotFound("There is nothing at this address.")
        key = request.headers.get("Idempotency-Key")
        single = singles.read(domain, kind, key, now=timezone.now())
        if single.event_id:
            ingest.store(single.batch())
        else:
            ingest.count_one(single.domain, single.kind)
        return Response(status=204, headers={"Cache-Control": "no-store"})


def _decode(request: Request) -> list[Any]:
    """The events as they came. Raises ``TooLarge``, ``InvalidInput``, ``UnsupportedMediaType``."""
    media = (request.content_type or "").split(";")[0].strip().lower()
    if media != ARRAY and media not in LINES:
        raise UnsupportedMediaType(media)
    body = _body(request)
    return batches.decode_array(body) if media == ARRAY else batches.decode_lines(body)


def _body(request: Request) -> bytes:
    # DRF's own reading would parse first, and Django's `body` takes no more than a form holds.
    raw: bytes = request._request.read(MAX_BODY + 1)
    if len(raw) > MAX_BODY:
        raise TooLarge(f"The body is longer than {MAX_BODY} bytes.")
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding in ("", "identity"):
        return raw
    if coding != "gzip":
        raise UnsupportedMediaType(coding, detail="Send the body plain or as gzip.")
    return inflate(raw, limit=MAX_BODY)
