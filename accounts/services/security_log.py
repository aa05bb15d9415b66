"""Writing and reading what happened to an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.core import context
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.constants import EventKind
from accounts.models import SecurityEvent, User

MAX_AGENT: Final = 200
MAX_DETAIL: Final = 254


@dataclass(frozen=True, slots=True)
class LogPage:
    """Newest first. ``older`` is what to pass as ``before`` for the next page, if there is one."""

    events: list[SecurityEvent]
    older: int | None


def record(*, user_id: int, kind: EventKind, detail: str = "") -> None:
    """Add a line, in the transaction of whatever it tells of.

    Address and browser are those of the request being answered; outside of one they are empty.
    """
    request = context.request
    SecurityEvent.objects.create(
        user_id=user_id,
        kind=kind,
        ip=client_address(request) if request else None,
        agent=user_agent(request) if request else "",
        detail=_storable(detail)[:MAX_DETAIL],
    )


def page(user: User, *, limit: int, before: int | None = None) -> LogPage:
    events = SecurityEvent.objects.filter(user=user).order_by("-id")
    if before is not None:
        events = events.filter(id__lt=before)
    found = list(events[: limit + 1])
    older = found[limit - 1].pk if len(found) > limit else None
    return LogPage(events=found[:limit], older=older)


def client_address(request: HttpRequest) -> str | None:
    """The visitor's address behind the proxies that are trusted; ``None`` if nobody knows it."""
    try:
        address: str = get_adapter().get_client_ip(request)
    except PermissionDenied:
        return None
    return address


def user_agent(request: HttpRequest) -> str:
    return _storable(request.headers.get("User-Agent", ""))[:MAX_AGENT]


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL in a text."""
    return text.replace("\0", "")
