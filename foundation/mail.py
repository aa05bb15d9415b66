"""Mail that waits in the database for a server to take it (docs/decisions/0012).

``OutboxBackend`` is Django's ``EMAIL_BACKEND``: sending is a row, written with what the mail tells
of. ``deliver_due`` hands rows to ``MAIL_DELIVERY_BACKEND``; a task calls it at once and every few
seconds, so neither a dead mail server nor a dead broker loses a mail or fails a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from foundation.commits import after_commit
from foundation.models import OutgoingMail

logger = structlog.get_logger(__name__)

# Sent after the commit that wrote mails, for whoever can have them delivered at once.
mail_waiting = Signal()

# Seconds until the next attempt. After the last one, about a day, the links in it are dead.
DELAYS: Final = (5, 15, 60, 300, 900, *([3600] * 23))
AT_ONCE: Final = 20


class OutboxBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Raises ``ValueError`` for attachments, which nothing here sends."""
        rows = [OutgoingMail(message=_written(message)) for message in email_messages]
        OutgoingMail.objects.bulk_create(rows)
        after_commit(mail_waiting.send, OutboxBackend)
        return len(rows)


def deliver_due() -> int:
    """Hand over what is due; return how many a server took. Two at once take different rows."""
    taken = 0
    for _ in range(AT_ONCE):
        with transaction.atomic():
            due = OutgoingMail.objects.filter(due_at__lte=timezone.now()).order_by("due_at", "id")
            mail = due.select_for_update(skip_locked=True).first()
            if mail is None:
                break
            taken += _deliver(mail)
    return taken


def _deliver(mail: OutgoingMail) -> bool:
    try:
        connection = get_connection(settings.MAIL_DELIVERY_BACKEND)
        message = EmailMultiAlternatives(**mail.message, connection=connection)
        message.send()
    except Exception as problem:  # noqa: BLE001  # a mail that cannot be sent must not stop the rest
        _put_off(mail, problem)
        return False
    mail.delete()
    return True


def _put_off(mail: OutgoingMail, problem: Exception) -> None:
    mail.attempts += 1
    if mail.attempts > len(DELAYS):
        logger.error("mail given up", mail=mail.pk, attempts=mail.attempts, error=repr(problem))
        mail.delete()
        return
    logger.warning("mail not sent", mail=mail.pk, attempts=mail.attempts, error=repr(problem))
    mail.due_at = timezone.now() + timedelta(seconds=DELAYS[mail.attempts - 1])
    mail.error = repr(problem)[:200]
    mail.save()


def _written(message: EmailMessage) -> dict[str, Any]:
    if message.attachments:
        raise ValueError("attachments are not kept")
    alternatives = getattr(message, "alternatives", [])
    return {
        "subject": str(message.subject),
        "body": str(message.body),
        "from_email": message.from_email,
        "to": list(message.to),
        "cc": list(message.cc),
        "bcc": list(message.bcc),
        "reply_to": list(message.reply_to),
        "headers": dict(message.extra_headers),
        "alternatives": [[str(content), kind] for content, kind in alternatives],
    }
