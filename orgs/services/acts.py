"""Who changed what in an organisation: lines of the security log, which nobody can rewrite."""

from __future__ import annotations

from accounts.constants import EventKind
from accounts.models import User
from accounts.services import security_log
from orgs.models import Organisation


def note(
    *, org: Organisation, by: User, kind: EventKind, detail: str, to: int | None = None
) -> None:
    """Add a line to the log of who acts and, where it was done to somebody else, to theirs.

    People are told by their numbers, so that no line names somebody whose account is closed.
    """
    text = f"{org.slug}: {detail}"
    security_log.record(user_id=by.pk, kind=kind, detail=text)
    if to is not None and to != by.pk:
        security_log.record(user_id=to, kind=kind, detail=f"{text}, by user {by.pk}")
