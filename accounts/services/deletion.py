"""Closing an account for good."""

from __future__ import annotations

from enum import StrEnum

import structlog
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.deletion import Collector

from accounts.constants import EventKind
from accounts.models import ApiToken, SecurityEvent, User
from accounts.services import devices, security_log
from accounts.signals import user_blotted_out, user_closing
from foundation.errors import Conflict, NotFound

logger = structlog.get_logger(__name__)


class LastAdministrator(Conflict):
    """Without this user nobody could manage the desk any more."""

    code = "last_administrator"


class Outcome(StrEnum):
    """``ANONYMISED``: what the user did to the desk is kept, under a name that tells nobody."""

    DELETED = "deleted"
    ANONYMISED = "anonymised"


@transaction.atomic
def close(user: User) -> Outcome:
    """Delete the user and everything of theirs; all sessions end.

    Rows that must stay, such as who changed a price, keep pointing at a row that says no more than
    that it was one and the same user. Raises ``LastAdministrator``, and what a receiver of
    ``user_closing`` refuses with.
    """
    # All rows of administrators, so that of the last two at once one waits and then stays.
    administrators = User.objects.select_for_update().filter(is_superuser=True, is_active=True)
    if user.is_superuser and not [u for u in administrators.order_by("pk") if u.pk != user.pk]:
        raise LastAdministrator("You are the only administrator. Appoint another one first.")
    number = user.pk
    # Of two requests at once the second waits here, and finds nobody.
    if not User.objects.select_for_update().filter(pk=number).exists():
        raise NotFound("This account is deleted already.")
    user_closing.send(sender=User, user_id=number)
    devices.end_others(user, current_key=None)
    # What administrators did to the account is told of a number from here on.
    LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(User), object_id=str(number)
    ).update(object_repr=f"deleted-{number}", change_message="")
    outcome = _delete(user)
    logger.info("account closed", user_id=number, outcome=outcome)
    return outcome


def _delete(user: User) -> Outcome:
    if not LogEntry.objects.filter(user=user).exists():
        try:
            user.delete()
        except ProtectedError:
            logger.info("account is named in an audit trail", user_id=user.pk)
        else:
            return Outcome.DELETED
    _anonymise(user)
    return Outcome.ANONYMISED


def _anonymise(user: User) -> None:
    security_log.record(user_id=user.pk, kind=EventKind.ACCOUNT_CLOSED)
    # Blotted out, not deleted: the log of somebody who set prices stays, without where and what.
    SecurityEvent.objects.filter(user=user).update(ip=None, agent="", detail="")
    _delete_belongings(user)
    user_blotted_out.send(sender=User, user_id=user.pk)
    user.groups.clear()
    user.user_permissions.clear()
    user.username = f"deleted-{user.pk}"
    user.email = user.first_name = user.last_name = user.display_name = user.time_zone = ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.set_unusable_password()
    user.save()


def _delete_belongings(user: User) -> None:
    """As if the user's row went too, or the rule that keeps the last way in would hold."""
    for model in (SocialAccount, EmailAddress, Authenticator, ApiToken):
        collector = Collector(using="default", origin=user)
        collector.collect(model._default_manager.filter(user=user))
        collector.delete()
