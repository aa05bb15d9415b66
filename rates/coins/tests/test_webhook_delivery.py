"""Calls of webhooks: queued with the list, signed, in order, made again, given up, never lost."""

import json
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Verifier

from accounts.tests.people import make_user
from foundation import valkey
from rates.coins import constants as c
from rates.coins.outgoing import Result
from rates.coins.services import refresh, retention, webhook_delivery, webhooks
from rates.coins.tests.market import Clock, listing, put, put_rows
from rates.models import CoinMoveBase, CoinSnapshot, Webhook, WebhookDelivery, WebhookEvent

pytestmark = pytest.mark.django_db
State = WebhookDelivery.State


@pytest.fixture
def clock():
    return Clock(timezone.now())


@pytest.fixture
def hook(receiver):
    made, _ = webhooks.make(user=make_user(), url=receiver.url, on="price")
    return made


def deliver(clock):
    return webhook_delivery.deliver_due(clock=clock)


def states():
    return list(WebhookDelivery.objects.order_by("pk").values_list("state", flat=True))


def test_a_new_list_is_told_once_and_the_published_verifier_believes_it(hook, receiver, clock):
    shown = put("A", "B", price="2.50")
    assert deliver(clock) == 1
    assert deliver(clock) == 0
    ((headers, body),) = receiver.heard
    told = Verifier(hook.secret).verify(body, headers)
    assert told["type"] == "coins.changed"
    assert told["data"]["on"] == "price"
    assert told["data"]["hash"] == shown.hash
    assert told["data"]["changes"][0] == {
        "symbol": "A",
        "from": None,
        "to": "2.50",
        "change_pct": None,
    }
    assert headers["content-type"] == "application/json"
    assert states() == [State.DELIVERED]


def test_a_changed_byte_or_another_secret_is_not_believed(hook, receiver, clock):
    put("A")
    deliver(clock)
    ((headers, body),) = receiver.heard
    for secret, content in ((hook.secret, body + b" "), (webhooks._new_secret(), body)):
        with pytest.raises(Exception, match="No matching signature"):
            Verifier(secret).verify(content, headers)


def test_while_a_secret_is_changed_both_sign_and_after_a_day_only_the_new_one(
    hook, receiver, clock
):
    _, secret = webhooks.rotate(user=hook.owner, number=hook.pk)
    put("A")
    deliver(clock)
    headers, body = receiver.heard[0]
    for key in (hook.secret, secret):
        assert Verifier(key).verify(body, headers)
    call = webhook_delivery.claim(clock())
    assert call == []
    hook.refresh_from_db()
    delivery = WebhookDelivery.objects.select_related("event").get()
    later = clock() + timedelta(hours=25)
    assert webhook_delivery._call(hook, delivery, later).secrets == (secret,)


@pytest.mark.parametrize(
    ("on", "told"), [("rank", [1]), ("price", [1, 2, 3]), ("price>1%", [3]), ("price>2%", [])]
)
def test_everybody_is_told_what_they_asked_for(receiver, on, told):
    """List 1 swaps ranks and creeps, list 2 creeps, list 3 has crept past one per cent."""
    put_rows([listing("A", 1, "100"), listing("B", 2, "10")])
    webhooks.make(user=make_user(), url=receiver.url, on=on)
    versions = [
        put_rows([listing("B", 1, "10"), listing("A", 2, "100.4")]).version,
        put_rows([listing("B", 1, "10"), listing("A", 2, "100.8")]).version,
        put_rows([listing("B", 1, "10"), listing("A", 2, "101.2")]).version,
    ]
    events = WebhookEvent.objects.order_by("version").values_list("version", flat=True)
    assert [versions.index(version) + 1 for version in events] == told
    if on == "price>1%":
        data = json.loads(WebhookEvent.objects.get().body)["data"]
        assert data["changes"] == [
            {"symbol": "A", "from": "100", "to": "101.2", "change_pct": "1.2000"}
        ]


def test_a_base_that_nobody_measures_from_is_forgotten(receiver):
    put("A")
    hook, _ = webhooks.make(user=make_user(), url=receiver.url, on="price>1%")
    put("A", price="1.51")
    assert CoinMoveBase.objects.get().prices == {"A": "1.50"}
    webhooks.remove(user=hook.owner, number=hook.pk)
    put("A", price="1.52")
    assert not CoinMoveBase.objects.exists()


def test_nothing_is_told_where_nothing_changed_but_age(hook):
    put("A")
    put("A")
    assert WebhookDelivery.objects.count() == 1


def test_list_and_calls_are_stored_together_or_not_at_all(hook, monkeypatch):
    def fails(*arguments):
        raise RuntimeError("killed here")

    before = CoinSnapshot.objects.count()
    monkeypatch.setattr(WebhookDelivery.objects, "bulk_create", fails)
    with pytest.raises(RuntimeError), transaction.atomic():
        put("A")
    assert (CoinSnapshot.objects.count(), WebhookEvent.objects.count()) == (before, 0)
    monkeypatch.undo()
    put("A")
    assert (CoinSnapshot.objects.count(), WebhookDelivery.objects.count()) == (before + 1, 1)


def test_a_failed_call_is_made_again_with_the_same_id_and_later_each_time(hook, receiver, clock):
    receiver.answers = [500, 500, 204]
    put("A")
    assert deliver(clock) == 0
    assert deliver(clock) == 0  # too early
    assert len(receiver.heard) == 1
    clock.pass_by(7)
    deliver(clock)
    clock.pass_by(7)
    assert deliver(clock) == 0  # the second pause is longer
    clock.pass_by(7)
    assert deliver(clock) == 1
    assert len(receiver.heard) == 3
    assert len(set(receiver.messages)) == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.attempts, delivery.status, delivery.state) == (3, 204, State.DELIVERED)
    hook.refresh_from_db()
    assert (hook.failures, hook.failing_since) == (0, None)


def test_changes_arrive_in_their_order_and_a_failure_keeps_the_later_ones_back(
    hook, receiver, clock
):
    receiver.answers = [500, 204]
    for price in ("1", "2", "3"):
        put("A", price=price)
    deliver(clock)
    assert len(receiver.heard) == 1
    clock.pass_by(7)
    assert deliver(clock) == 3
    prices = [json.loads(body)["data"]["changes"][0]["to"] for _, body in receiver.heard]
    assert prices == ["1", "1", "2", "3"]


def test_a_receiver_that_says_when_to_come_back_is_heeded_up_to_an_hour(hook, receiver, clock):
    def busy(handler):
        handler.send_response(429)
        handler.send_header("retry-after", "600")
        handler.send_header("content-length", "0")
        handler.end_headers()

    receiver.answers = [busy, 204]
    put("A")
    deliver(clock)
    hook.refresh_from_db()
    assert hook.next_attempt_at - clock() == timedelta(seconds=600)
    assert webhook_delivery.wait(1, 10**7) == timedelta(hours=1)
    assert webhook_delivery.wait(500) <= timedelta(hours=1.2)


def test_what_a_killed_process_had_claimed_is_sent_by_the_next_one(hook, receiver, clock):
    put("A")
    (call,) = webhook_delivery.claim(clock())
    # It is killed here, before or after sending: nobody can tell.
    assert deliver(clock) == 0
    clock.pass_by(61)
    assert deliver(clock) == 1
    assert receiver.messages == [call.message]


def test_two_processes_never_call_the_same_address_at_once(hook, clock):
    put("A")
    assert len(webhook_delivery.claim(clock())) == 1
    assert webhook_delivery.claim(clock()) == []


def test_one_process_calls_while_others_do_their_own_work(hook, clock):
    put("A")
    valkey.client().set(c.KEY_CALLING, 1)
    assert deliver(clock) == 0
    valkey.client().delete(c.KEY_CALLING)
    assert deliver(clock) == 1
    assert valkey.client().get(c.KEY_CALLING) is None


def test_who_is_late_leaves_the_turn_of_another_alone(hook, clock):
    put("A")

    def slow():
        valkey.client().set(c.KEY_CALLING, "another")
        return clock.now

    webhook_delivery.deliver_due(clock=slow)
    assert valkey.client().get(c.KEY_CALLING) == b"another"


def test_a_dead_address_does_not_keep_others_waiting(hook, receiver, clock):
    other, _ = webhooks.make(user=make_user("bob"), url="http://127.0.0.1:1/", on="price")
    put("A")
    put("A", price="3")
    assert deliver(clock) == 2
    assert other.deliveries.filter(state=State.PENDING).count() == 2
    assert other.deliveries.filter(attempts=1, error="unreachable").count() == 1


def test_one_owner_is_called_at_a_few_addresses_at_once_and_others_are_not_kept_waiting(
    receiver, clock
):
    greedy, modest = make_user(), make_user("bob")
    for number in range(9):
        webhooks.make(user=greedy, url=f"{receiver.url}/{number}", on="price")
    mine, _ = webhooks.make(user=modest, url=receiver.url, on="price")
    put("A")
    calls = webhook_delivery.claim(clock())
    of_one = webhook_delivery.AT_ONCE_OF_ONE
    assert len(calls) == of_one + 1
    assert mine.pk in [call.webhook for call in calls]
    # Who has places still gets no more of them while they are used, and gets them back after.
    assert webhook_delivery.claim(clock()) == []
    theirs = next(call for call in calls if call.webhook != mine.pk)
    webhook_delivery.record(theirs, Result(204, "", 1), clock())
    assert len(webhook_delivery.claim(clock())) == 1


def test_a_slow_address_keeps_only_itself_waiting(receiver, clock):
    told, seen = threading.Event(), []

    def answer(handler):
        if handler.path.endswith("/slow"):
            seen.append(told.wait(8))
        elif len([path for path in receiver.paths if not path.endswith("/slow")]) == 2:
            told.set()
        handler.send_response(204)
        handler.send_header("content-length", "0")
        handler.end_headers()

    receiver.answers = [answer]
    webhooks.make(user=make_user(), url=f"{receiver.url}/slow", on="price")
    webhooks.make(user=make_user("bob"), url=receiver.url, on="price")
    put("A")
    put("A", price="3")
    assert deliver(clock) == 4
    # The other address had both of its calls before the slow one had answered its first.
    assert seen[0]


def test_a_change_that_is_a_day_old_is_given_up(hook, receiver, clock):
    put("A")
    clock.pass_by(86_500)
    assert deliver(clock) == 0
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.error, receiver.heard) == (State.FAILED, "too_old", [])


def test_five_days_of_failures_switch_it_off_and_the_owner_is_told(hook, receiver, clock):
    receiver.answers = [500]
    put("A")
    deliver(clock)
    Webhook.objects.update(failing_since=clock() - timedelta(days=5))
    put("A", price="2")
    clock.pass_by(7)
    deliver(clock)
    hook.refresh_from_db()
    assert hook.off == Webhook.Off.FAILING
    assert states() == [State.FAILED, State.FAILED]
    (sent,) = mail.outbox
    assert (sent.to, receiver.url in sent.body) == (["ann@example.com"], True)
    put("A", price="3")
    assert len(states()) == 2


def test_an_address_that_is_gone_is_switched_off_at_once(hook, receiver, clock):
    receiver.answers = [410]
    put("A")
    deliver(clock)
    hook.refresh_from_db()
    assert hook.off == Webhook.Off.GONE
    again = webhooks.change(user=hook.owner, number=hook.pk, active=True)
    assert (again.off, again.failures, again.next_attempt_at) == ("", 0, None)


def test_one_that_is_removed_while_it_is_called_stays_removed(hook, clock):
    put("A")
    (call,) = webhook_delivery.claim(clock())
    webhooks.remove(user=hook.owner, number=hook.pk)
    assert webhook_delivery.record(call, Result(200, "", 1), clock())
    assert not Webhook.objects.exists()


def test_whoever_may_not_sign_in_is_not_called(hook):
    hook.owner.is_active = False
    hook.owner.save()
    put("A")
    assert not WebhookDelivery.objects.exists()


def test_an_address_that_turned_private_is_not_called(hook, settings, clock, receiver):
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    put("A")
    deliver(clock)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.error, delivery.status, receiver.heard) == ("address_refused", None, [])


def test_the_log_is_kept_for_two_weeks_and_what_waits_for_longer(hook, receiver, clock):
    put("A")
    deliver(clock)
    put("A", price="2")
    old = timezone.now() - timedelta(days=15)
    WebhookDelivery.objects.update(created_at=old)
    WebhookEvent.objects.update(created_at=old)
    assert retention.forget_old(timezone.now()) == 2
    assert states() == [State.PENDING]


def test_one_refresh_asks_the_database_as_often_for_a_thousand_webhooks(
    django_assert_max_num_queries, receiver
):
    put("A")
    user = make_user()
    Webhook.objects.bulk_create(
        [Webhook(owner=user, url=receiver.url, key="price", secret="x") for _ in range(1000)]
    )
    with django_assert_max_num_queries(30):
        refresh.publish(timezone.now())
        put("A", price="7")
    assert WebhookDelivery.objects.count() == 1000
