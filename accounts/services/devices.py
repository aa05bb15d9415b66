"""Where a user is signed in, in words, and ending it.

A session is Django's row and its copy in Valkey; allauth's ``UserSession`` says whose it is.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any, Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.constants import EventKind
from accounts.models import User
from accounts.services import security_log
from foundation.errors import NotFound
from live import control

# The first match counts: most browsers also claim to be those further down.
BROWSERS: Final = (
    (r"Edg(e|A|iOS)?/", "Edge"),
    (r"OPR/|Opera", "Opera"),
    (r"SamsungBrowser/", "Samsung Internet"),
    (r"MetaMaskMobile", "MetaMask"),
    (r"Firefox/|FxiOS/", "Firefox"),
    (r"HeadlessChrome/|Chrome/|CriOS/|Chromium/", "Chrome"),
    (r"Version/.*Safari/", "Safari"),
    (r"^curl/", "curl"),
    (r"python|httpx|aiohttp", "Python"),
)
SYSTEMS: Final = (
    (r"iPhone", "iPhone"),
    (r"iPad", "iPad"),
    (r"Android", "Android"),
    (r"Windows", "Windows"),
    (r"Mac OS X|Macintosh", "Mac"),
    (r"CrOS", "ChromeOS"),
    (r"Linux|X11", "Linux"),
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One session as its owner sees it."""

    id: int
    device: str
    ip: str
    place: str
    agent: str
    first_seen: datetime
    last_seen: datetime
    current: bool


def signed_in(user: User, *, current_key: str | None) -> list[SignedIn]:
    """This session first, then by when they were last seen."""
    rows = sorted(
        _living(user),
        key=lambda row: (row.session_key != current_key, -row.last_seen_at.timestamp()),
    )
    return [
        SignedIn(
            id=row.pk,
            device=device(row.user_agent),
            ip=row.ip,
            place=place(row.ip),
            agent=row.user_agent,
            first_seen=row.created_at,
            last_seen=row.last_seen_at,
            current=row.session_key == current_key,
        )
        for row in rows
    ]


def note_seen(request: HttpRequest) -> bool:
    """Whether the session of this request is listed; if so, it was seen now, from there."""
    row = UserSession.objects.filter(session_key=request.session.session_key, user=request.user.pk)
    seen: dict[str, Any] = {"last_seen_at": timezone.now()}
    if address := security_log.client_address(request):
        seen["ip"] = address
    return bool(row.update(user_agent=security_log.user_agent(request), **seen))


@transaction.atomic
def end(user: User, *, session_id: int) -> str:
    """Sign out there; return which device it was. Raises ``NotFound``."""
    row = UserSession.objects.filter(user=user, pk=session_id).first()
    if row is None:
        raise NotFound("You have no such session.")
    name = device(row.user_agent)
    _end([row], user_id=user.pk, detail=_summary([row]))
    return name


@transaction.atomic
def end_others(user: User, *, current_key: str | None) -> int:
    """Sign out everywhere but here; return in how many places that was. ``None``: here as well."""
    rows = list(_living(user).exclude(session_key=current_key or ""))
    if rows:
        _end(rows, user_id=user.pk, detail=_summary(rows))
    return len(rows)


@transaction.atomic
def end_rows(rows: list[UserSession]) -> None:
    """The same for rows that somebody else has found, all of one user."""
    if rows:
        _end(rows, user_id=rows[0].user_id, detail=_summary(rows))


def forget_expired() -> int:
    """Delete what is kept about sessions that are no more; return how many."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    deleted, _ = UserSession.objects.exclude(session_key__in=alive).delete()
    return deleted


def device(agent: str) -> str:
    """``Firefox on Windows``; what cannot be told is left out."""
    browser = _first(BROWSERS, agent)
    system = _first(SYSTEMS, agent)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown device"


def place(ip: str) -> str:
    """What an address says without asking anybody: nothing, or that it is near."""
    address = ipaddress.ip_address(ip)
    if address.is_loopback:
        return "this machine"
    return "local network" if address.is_private else ""


def _summary(rows: list[UserSession]) -> str:
    if len(rows) > 1:
        return f"{len(rows)} at once"
    return f"{device(rows[0].user_agent)}, {rows[0].ip}"


def _living(user: User) -> QuerySet[UserSession]:
    alive = Session.objects.filter(expire_date__gt=timezone.now())
    return UserSession.objects.filter(user=user, session_key__in=alive.values("session_key"))


def _end(rows: list[UserSession], *, user_id: int, detail: str) -> None:
    keys = [row.session_key for row in rows]
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(pk__in=[row.pk for row in rows]).delete()
    security_log.record(user_id=user_id, kind=EventKind.SESSION_ENDED, detail=detail)
    # Not earlier: until the commit, a request could copy the row into Valkey once more.
    transaction.on_commit(partial(_forget, keys))


def _forget(keys: list[str]) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    for key in keys:
        store.delete(key)
        control.end_session(key)


def _first(table: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for pattern, name in table if re.search(pattern, agent)), "")
