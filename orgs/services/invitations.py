"""Invitations: a secret in a link, which may be for one e-mail address only."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import EmailValidator
from django.db import transaction
from django.utils import timezone

from accounts.constants import EventKind
from accounts.models import SecurityEvent, User
from accounts.services.tokens import digest
from foundation.errors import Conflict, Forbidden, InvalidInput, NotFound, RateLimited
from orgs.models import Invitation, Membership, Organisation, OrgRole
from orgs.services import acts
from orgs.services.rights import Act, require

BEGINNING: Final = "qi_"
SECRET_BYTES: Final = 32
FORM: Final = re.compile(r"qi_[A-Za-z0-9_-]{43}")
LIFETIME: Final = timedelta(days=7)
MAX_OPEN: Final = 50
# Letters in so long, also for invitations that were withdrawn, or whose organisation is gone.
MAIL_PERIOD: Final = timedelta(days=1)
MAILED_BY_USER: Final = 50
MAILED_BY_ORG: Final = 100
# How long after its end an invitation is kept, for those who ask what became of it.
KEPT: Final = timedelta(days=30)
IS_EMAIL: Final = EmailValidator()

LETTER: Final = """{inviter} invites you to join {org} at {site} as {role}.

Open this link, which is for you alone, by {until} (UTC):

{link}

If you did not expect this, do nothing.
"""


@transaction.atomic
def invite(
    *, org: Organisation, by: User, role: OrgRole, email: str = "", join_url: str
) -> tuple[Invitation, str]:
    """An invitation and its link, which nobody can be shown again.

    The secret stands after the ``#`` of the link, so that no server's log ever holds it. With
    ``email`` the link is sent there, and works for an account that has confirmed this address.
    Raises ``Forbidden``, ``InvalidInput``, ``Conflict``, and ``RateLimited`` after many letters.
    """
    address = _checked_email(email)
    # Of two requests at once the second waits here, and then counts the first one's.
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    Organisation.objects.select_for_update().get(pk=org.pk)
    # Asked now, since whoever takes the right away waits for the organisation as well.
    require(by, org, Act.OWN if role == OrgRole.OWNER else Act.MANAGE)
    if org.invitations.open(timezone.now()).count() >= MAX_OPEN:
        problem = f"There are {MAX_OPEN} open invitations. Withdraw one first."
        raise Conflict(problem, code="too_many_invitations")
    if address:
        _require_few_letters(org, by)
    secret = BEGINNING + secrets.token_urlsafe(SECRET_BYTES)
    invitation = Invitation.objects.create(
        org=org,
        role=role,
        email=address,
        digest=digest(secret),
        created_by=by,
        expires_at=timezone.now() + LIFETIME,
    )
    link = f"{join_url}#{secret}"
    kind = EventKind.ORG_INVITATION_MAILED if address else EventKind.ORG_INVITED
    acts.note(org=org, by=by, kind=kind, detail=f"as {role}")
    if address:
        transaction.on_commit(partial(_send, invitation, by, link))
    return invitation, link


def withdraw(*, org: Organisation, by: User, invitation_id: int) -> None:
    """End an invitation that is open. Raises ``NotFound``."""
    require(by, org, Act.MANAGE)
    now = timezone.now()
    # The row stays for a while, or withdrawing would let somebody write to ever more people.
    ended = org.invitations.open(now).filter(pk=invitation_id).update(expires_at=now)
    if not ended:
        raise NotFound("This organisation has no such invitation.")


@transaction.atomic
def accept(*, user: User, secret: str) -> Membership:
    """Make the user a member, once. A member who is one already keeps the role, and leaves the
    invitation unused.

    Raises ``NotFound`` for a secret that is wrong, used, withdrawn or expired, and ``Forbidden``
    when it is for an address that this account has not confirmed.
    """
    invitation = None
    if FORM.fullmatch(secret):
        found = Invitation.objects.open(timezone.now()).filter(digest=digest(secret))
        invitation = found.select_for_update(of=("self",)).select_related("org").first()
    if invitation is None:
        raise NotFound("This invitation is not known, was used, or has expired.")
    if invitation.email and not _has_confirmed(user, invitation.email):
        problem = "This invitation is for another e-mail address than yours."
        raise Forbidden(problem, code="wrong_address")
    membership, joined = Membership.objects.get_or_create(
        org=invitation.org, user=user, defaults={"role": invitation.role}
    )
    if joined:
        invitation.accepted_at, invitation.accepted_by = timezone.now(), user
        invitation.save(update_fields=["accepted_at", "accepted_by"])
        acts.note(
            org=invitation.org,
            by=user,
            kind=EventKind.ORG_JOINED,
            detail=f"user {user.pk} as {membership.role}",
            to=invitation.created_by_id,
        )
    return membership


def _require_few_letters(org: Organisation, by: User) -> None:
    since = timezone.now() - MAIL_PERIOD
    mailed = SecurityEvent.objects.filter(
        user=by, kind=EventKind.ORG_INVITATION_MAILED, at__gt=since
    )
    sent = org.invitations.filter(created_at__gt=since).exclude(email="")
    for times, most, whose in (
        (mailed.order_by("at").values_list("at", flat=True), MAILED_BY_USER, "You have"),
        (
            sent.order_by("created_at").values_list("created_at", flat=True),
            MAILED_BY_ORG,
            "The organisation has",
        ),
    ):
        found = list(times)
        if len(found) >= most:
            free = found[len(found) - most] - since
            raise RateLimited(
                f"{whose} sent {most} invitations by e-mail in a day. Give out a link instead.",
                code="too_many_invitation_mails",
                retry_after=int(free.total_seconds()) + 1,
            )


def _has_confirmed(user: User, email: str) -> bool:
    return bool(user.emailaddress_set.filter(verified=True, email__iexact=email).exists())


def _checked_email(email: str) -> str:
    text = email.strip()
    if text:
        try:
            IS_EMAIL(text)
        except ValidationError as problem:
            reason = "Write an e-mail address."
            raise InvalidInput(reason, fields={"email": [reason]}) from problem
    return text.lower()


def _send(invitation: Invitation, by: User, link: str) -> None:
    text = LETTER.format(
        inviter=by.get_full_name() or by.get_username(),
        org=invitation.org.name,
        site=settings.SITE_NAME,
        role=invitation.get_role_display().lower(),
        until=f"{invitation.expires_at:%Y-%m-%d %H:%M}",
        link=link,
    )
    subject = f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}Invitation to {invitation.org.name}"
    send_mail(subject, text, None, [invitation.email])


def forget_ended(now: datetime) -> int:
    """Delete invitations that ended long ago, and with them the addresses; return how many."""
    return int(Invitation.objects.filter(expires_at__lt=now - KEPT).delete()[0])
