"""Calls whoever is to be called: in order for each address, again after failures, signed.

Signatures follow Standard Webhooks: ``webhook-id`` is the same in every attempt, so a receiver that
has seen it can drop what a killed process sends a second time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Final

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone
from redis.exceptions import RedisError

from foundation import valkey
from rates.coins import constants as c
from rates.coins import outgoing
from rates.models import Webhook, WebhookDelivery

logger = structlog.get_logger(__name__)

Clock = Callable[[], datetime]
State = WebhookDelivery.State

SECRET_PREFIX: Final = "whsec_"  # noqa: S105
# Addresses that are called at the same time, and how many of them may be one owner's: who answers
# slowly keeps only themselves waiting.
AT_ONCE: Final = 16
AT_ONCE_OF_ONE: Final = 4
# A claim outlives every call; a killed process is made up for after it.
CLAIM: Final = timedelta(seconds=60)
# Seconds of work before the next turn.
PATIENCE: Final = 10.0
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
# A change this old is no news to anybody.
GIVES_UP: Final = timedelta(hours=24)
SWITCHES_OFF: Final = timedelta(days=5)
GONE: Final = 410
# Who took longer than a claim must not end the turn of whoever came after.
END_OWN: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


@dataclass(frozen=True)
class Call:
    """Everything that a call needs, so that its thread needs no database."""

    webhook: int
    delivery: int
    message: str
    url: str
    secrets: tuple[str, ...]
    body: bytes


def deliver_due(*, clock: Clock = timezone.now) -> int:
    """Call everybody who is waiting and may be called now; returns how many calls were taken.

    While another process is at it nothing is done: slow receivers may take one worker's time, but
    not every worker's.
    """
    token = token_hex(8)
    if not _begin(token):
        return 0
    try:
        return _deliver(clock)
    finally:
        _end(token)


def _deliver(clock: Clock) -> int:
    ends, taken = time.monotonic() + PATIENCE, 0
    running: dict[Future[outgoing.Result], Call] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        while True:
            free = AT_ONCE - len(running)
            if free >= AT_ONCE_OF_ONE and time.monotonic() < ends:
                for call in claim(clock(), most=free):
                    running[pool.submit(_send, call, clock())] = call
            if not running:
                return taken
            # Each is recorded as it ends, and its place is given to the next.
            done, _ = wait_for(running, return_when=FIRST_COMPLETED)
            for ended in done:
                taken += record(running.pop(ended), ended.result(), clock())


def claim(now: datetime, *, most: int = AT_ONCE) -> list[Call]:
    """The oldest waiting call of each address that may be called, which nobody else now makes."""
    with transaction.atomic():
        turn = Webhook.objects.due(now).shared_out(now, AT_ONCE_OF_ONE).values("pk")
        # What was due a moment ago is asked again of the rows that are now locked.
        due = Webhook.objects.due(now).filter(pk__in=turn)
        hooks = {h.pk: h for h in due.select_for_update(of=("self",), skip_locked=True)[:most]}
        Webhook.objects.filter(pk__in=hooks).update(claimed_until=now + CLAIM)
        waiting = WebhookDelivery.objects.filter(webhook__in=hooks, state=State.PENDING)
        old = waiting.filter(created_at__lt=now - GIVES_UP)
        old.update(state=State.FAILED, error="too_old")
        heads = waiting.order_by("webhook_id", "pk").distinct("webhook_id")
        return [_call(hooks[head.webhook_id], head, now) for head in heads.select_related("event")]


def record(call: Call, result: outgoing.Result, now: datetime) -> bool:
    """Keep what came of a call; whether it was taken."""
    taken = not result.error
    with transaction.atomic():
        hook = Webhook.objects.select_for_update().filter(pk=call.webhook).first()
        delivery = WebhookDelivery.objects.filter(pk=call.delivery, state=State.PENDING).first()
        if hook is None or delivery is None:
            return taken  # its owner has removed it or switched it off meanwhile
        delivery.attempts += 1
        delivery.status, delivery.error = result.status, result.error
        delivery.took_ms, delivery.attempted_at = result.took_ms, now
        hook.claimed_until = now
        if taken:
            delivery.state = State.DELIVERED
            hook.delivered_at, hook.failures = now, 0
            hook.failing_since = hook.next_attempt_at = None
        else:
            _put_off(hook, result, now)
        delivery.save()
        hook.save()
        if hook.off:
            _switched_off(hook)
    _count("delivered" if taken else "failed")
    return taken


def headers(call: Call, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    signed = f"{call.message}.{stamp}.".encode() + call.body
    return {
        "Content-Type": "application/json",
        "User-Agent": f"{settings.SITE_NAME}/{settings.VERSION}",
        "webhook-id": call.message,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{sign(key, signed)}" for key in call.secrets),
    }


def sign(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def wait(failures: int, retry_after: float | None = None) -> timedelta:
    """Twice as long after each failure, never quite the same for all, and at most an hour."""
    pause = min(FIRST_WAIT * int(2 ** min(failures - 1, 20)), LONGEST_WAIT)
    pause = timedelta(seconds=pause.total_seconds() * random.uniform(0.8, 1.2))
    if retry_after is not None:
        pause = max(pause, min(timedelta(seconds=retry_after), LONGEST_WAIT))
    return pause


def _call(hook: Webhook, delivery: WebhookDelivery, now: datetime) -> Call:
    secrets = [hook.secret]
    if hook.previous_until is not None and now < hook.previous_until:
        secrets.append(hook.previous_secret)
    return Call(
        webhook=hook.pk,
        delivery=delivery.pk,
        message=f"msg_{delivery.event_id.hex}",
        url=hook.url,
        secrets=tuple(secrets),
        body=delivery.event.body.encode(),
    )


def _send(call: Call, now: datetime) -> outgoing.Result:
    private = settings.WEBHOOK_PRIVATE_NETWORKS
    return outgoing.post(call.url, headers(call, now), call.body, private=private)


def _put_off(hook: Webhook, result: outgoing.Result, now: datetime) -> None:
    hook.failures += 1
    hook.failing_since = hook.failing_since or now
    hook.next_attempt_at = now + wait(hook.failures, result.retry_after)
    if result.status == GONE:
        hook.off = Webhook.Off.GONE
    elif now - hook.failing_since >= SWITCHES_OFF:
        hook.off = Webhook.Off.FAILING


def _switched_off(hook: Webhook) -> None:
    """What waits will not be sent, and the owner is told: by mail, and on the page in any case."""
    hook.deliveries.filter(state=State.PENDING).update(state=State.FAILED, error="switched_off")
    logger.warning("webhook switched off", webhook=hook.pk, why=hook.off)
    if not hook.owner.email:
        return
    text = (
        f"Calls to {hook.url} have been switched off: {hook.get_off_display()}.\n\n"
        "Once the address works again, switch the webhook on again on its page, where the log of "
        "its calls stands too.\n"
    )
    send_mail(f"{settings.SITE_NAME}: a webhook was switched off", text, None, [hook.owner.email])


def _begin(token: str) -> bool:
    try:
        free = valkey.client().set(c.KEY_CALLING, token, nx=True, ex=int(CLAIM.total_seconds()))
    except RedisError as problem:
        # Claims in the database keep every call from being made twice.
        logger.warning("calling without a lock", error=str(problem))
        return True
    return bool(free)


def _end(token: str) -> None:
    try:
        valkey.client().eval(END_OWN, 1, c.KEY_CALLING, token)
    except RedisError as problem:
        logger.warning("the lock ends by itself", error=str(problem))


def _count(outcome: str) -> None:
    try:
        valkey.client().hincrby(c.KEY_CALLS, outcome, 1)
    except RedisError as problem:
        logger.warning("call not counted", error=str(problem))
