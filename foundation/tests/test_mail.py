from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from foundation import mail
from foundation.models import OutgoingMail

pytestmark = pytest.mark.django_db(transaction=True)
BROKEN = "foundation.tests.test_mail.Broken"


class Broken(BaseEmailBackend):
    def send_messages(self, email_messages):
        raise ConnectionRefusedError("no server")


@pytest.fixture(autouse=True)
def outbox():
    backends = {
        "EMAIL_BACKEND": "foundation.mail.OutboxBackend",
        "MAIL_DELIVERY_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
    }
    with override_settings(**backends):
        yield


def send(**changes):
    message = EmailMultiAlternatives("Hello", "text", "desk@localhost", ["a@localhost"], **changes)
    message.attach_alternative("<p>text</p>", "text/html")
    message.send()


def test_a_mail_is_delivered_as_it_was_written():
    send(reply_to=["b@localhost"], headers={"X-Kind": "test"})
    assert mail.deliver_due() == 1
    sent = django_mail.outbox[0]
    assert isinstance(sent, EmailMultiAlternatives)
    assert (sent.subject, sent.body, sent.to) == ("Hello", "text", ["a@localhost"])
    assert (sent.reply_to, sent.extra_headers) == (["b@localhost"], {"X-Kind": "test"})
    assert [tuple(part) for part in sent.alternatives] == [("<p>text</p>", "text/html")]
    assert not OutgoingMail.objects.exists()


def test_a_mail_about_what_was_rolled_back_is_not_sent():
    with transaction.atomic():
        send()
        transaction.set_rollback(True)
    assert mail.deliver_due() == 0


def test_a_dead_mail_server_fails_nobody_and_loses_nothing():
    send()
    with override_settings(MAIL_DELIVERY_BACKEND=BROKEN):
        assert mail.deliver_due() == 0
    waiting = OutgoingMail.objects.get()
    assert (waiting.attempts, "ConnectionRefused" in waiting.error) == (1, True)
    assert mail.deliver_due() == 0, "it waits for its time"
    OutgoingMail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert mail.deliver_due() == 1
    assert len(django_mail.outbox) == 1


def test_one_that_nobody_takes_does_not_hold_up_the_others():
    send()
    with override_settings(MAIL_DELIVERY_BACKEND=BROKEN):
        mail.deliver_due()
    send()
    assert mail.deliver_due() == 1


def test_after_a_day_of_attempts_it_is_given_up():
    send()
    OutgoingMail.objects.update(attempts=len(mail.DELAYS))
    with override_settings(MAIL_DELIVERY_BACKEND=BROKEN):
        mail.deliver_due()
    assert not OutgoingMail.objects.exists()


def test_a_dead_broker_does_not_fail_the_page(settings, monkeypatch):
    monkeypatch.setattr(settings, "CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    send()
    assert OutgoingMail.objects.count() == 1
