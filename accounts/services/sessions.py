"""Ending sessions that have lost their reason, found by allauth's index of sessions per user."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.http import HttpRequest

from live import control

# In the session of somebody who has not signed in: it lives for minutes only.
VISITOR_KEY: Final = "visitor"
# Saved like this, a session is not found again.
EXPIRED: Final = -1


def end_sessions_of_wallet(*, user_id: int, uid: str, current: HttpRequest | None) -> int:
    """Sign out wherever the user came in through this wallet; return how many sessions ended.

    A session that merely proved presence with the wallet goes on: it came in by something else.
    ``current`` is the request being answered: its session lasts until the answer is out, since the
    door that is at work may still ask who its user is.
    """
    ended = 0
    for session in UserSession.objects.filter(user_id=user_id):
        if uid not in _ways_in(session.session_key):
            continue
        if current is not None and current.session.session_key == session.session_key:
            current.session.set_expiry(EXPIRED)
            session.delete()
        else:
            session.end()
        control.end_session(session.session_key)
        ended += 1
    return ended


def keep_after_sign_in(session: Any) -> None:
    """A visitor's session becomes a user's: it lives as long as any."""
    if session.pop(VISITOR_KEY, None):
        session.set_expiry(None)


def _ways_in(session_key: str) -> set[str]:
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return {
        record["uid"]
        for record in store.get(AUTHENTICATION_METHODS_SESSION_KEY) or []
        if "uid" in record and not record.get("reauthenticated")
    }
