"""Webhooks of a user: making, changing, rotating their secret, removing. Nobody sees another's."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from foundation.errors import Conflict, InvalidInput, NotFound, RateLimited
from rates.coins import outgoing
from rates.coins.services import notices, webhook_events
from rates.coins.services.webhook_delivery import SECRET_PREFIX
from rates.models import Webhook, WebhookDelivery, WebhookEvent
from rates.querysets import WebhookDeliveryQuerySet, WebhookQuerySet

MOST: Final = 10
SECRET_BYTES: Final = 32
# How long the old secret signs beside the new one.
OVERLAP: Final = timedelta(hours=24)
# Otherwise the button would be a way to trouble somebody else's server.
TEST_EVERY: Final = timedelta(seconds=10)
TEST: Final = "test"
KEYS: Final = (
    "price",
    "rank",
    *sorted(notices.KEYS - {"price", "rank"}, key=lambda k: float(k[6:-1])),
)


def of(user: User) -> WebhookQuerySet:
    return Webhook.objects.filter(owner=user)


def find(user: User, number: int) -> Webhook:
    """Raises ``NotFound`` for one that is gone, or somebody else's."""
    found = of(user).filter(pk=number).first()
    if found is None:
        raise NotFound("You have no such webhook.")
    return found


def make(*, user: User, url: str, on: str) -> tuple[Webhook, str]:
    """A new webhook, and its secret, which nobody is shown again.

    Raises ``InvalidInput`` for an address that is not public, and ``Conflict`` beyond ``MOST``.
    """
    checked = {"url": _checked_url(url), "key": _checked_key(on)}
    with transaction.atomic():
        # Of two requests at once the second waits here, and then counts the first one's.
        User.objects.select_for_update().get(pk=user.pk)
        if of(user).count() >= MOST:
            raise Conflict(f"You have {MOST} webhooks. Remove one first.", code="too_many_webhooks")
        hook = Webhook.objects.create(owner=user, secret=_new_secret(), **checked)
    return hook, hook.secret


def change(
    *,
    user: User,
    number: int,
    url: str | None = None,
    on: str | None = None,
    active: bool | None = None,
) -> Webhook:
    """What is ``None`` stays. Switching on forgives all failures."""
    checked: dict[str, Any] = {}
    if url is not None:
        checked["url"] = _checked_url(url)
    if on is not None:
        checked["key"] = _checked_key(on)
    with transaction.atomic():
        hook = _locked(user, number)
        for name, value in checked.items():
            setattr(hook, name, value)
        if active is not None and active == bool(hook.off):
            hook.off = "" if active else Webhook.Off.OWNER
        if active or url is not None:
            hook.failures, hook.failing_since, hook.next_attempt_at = 0, None, None
        hook.save()
        if hook.off:
            waiting = hook.deliveries.filter(state=WebhookDelivery.State.PENDING)
            waiting.update(state=WebhookDelivery.State.FAILED, error="switched_off")
    return hook


def rotate(*, user: User, number: int) -> tuple[Webhook, str]:
    """A new secret; the old one goes on signing beside it for a day."""
    with transaction.atomic():
        hook = _locked(user, number)
        hook.previous_secret, hook.previous_until = hook.secret, timezone.now() + OVERLAP
        hook.secret = _new_secret()
        hook.save()
    return hook, hook.secret


def remove(*, user: User, number: int) -> None:
    with transaction.atomic():
        _locked(user, number).delete()


def test(*, user: User, number: int) -> WebhookDelivery:
    """Queue a call that says that it is a test. Raises ``Conflict``, ``RateLimited``."""
    now = timezone.now()
    with transaction.atomic():
        hook = _locked(user, number)
        if hook.off:
            raise Conflict("Switch the webhook on first.", code="webhook_off")
        last = hook.deliveries.filter(event__key=TEST).first()
        if last is not None and now - last.created_at < TEST_EVERY:
            seconds = int(TEST_EVERY.total_seconds())
            raise RateLimited(f"One test in {seconds} seconds is enough.", retry_after=seconds)
        data = {"as_of": now.isoformat().replace("+00:00", "Z"), "changed": 0, "changes": []}
        event = WebhookEvent.objects.create(
            key=TEST, version=_milliseconds(now), body=webhook_events.body(TEST, data)
        )
        return WebhookDelivery.objects.create(webhook=hook, event=event)


def log(hook: Webhook, *, before: int | None = None) -> WebhookDeliveryQuerySet:
    """Its calls, newest first; with ``before`` only those older than that one."""
    found = WebhookDelivery.objects.filter(webhook=hook).select_related("event")
    return found if before is None else found.filter(pk__lt=before)


def exported(user_id: int) -> list[dict[str, Any]]:
    rows = Webhook.objects.filter(owner=user_id).order_by("pk")
    return [dict(row) for row in rows.values("url", "key", "off", "created_at", "delivered_at")]


def forget(user_id: int) -> None:
    Webhook.objects.filter(owner=user_id).delete()


def _locked(user: User, number: int) -> Webhook:
    found = of(user).select_for_update().filter(pk=number).first()
    if found is None:
        raise NotFound("You have no such webhook.")
    return found


def _checked_url(url: str) -> str:
    url = url.strip()
    try:
        outgoing.check(url, settings.WEBHOOK_PRIVATE_NETWORKS)
    except outgoing.AddressRefused as refused:
        raise InvalidInput(
            refused.reason, code=refused.code, fields={"url": [refused.reason]}
        ) from refused
    return url


def _checked_key(key: str) -> str:
    if key not in KEYS:
        problem = f"Allowed: {', '.join(KEYS)}."
        raise InvalidInput(problem, fields={"on": [problem]})
    return key


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
