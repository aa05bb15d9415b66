"""For signed-in visitors: their time zone, and when they were last seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.services import devices
from accounts.services.profile import zone_of

logger = structlog.get_logger(__name__)

# Elsewhere times are UTC, as forms, histories and the API say that they are.
LOCAL_PAGES: Final = ("/account/", "/accounts/", "/balances/", "/orgs/")
# Seconds. A session's row is written at most this often, however much its owner does.
SEEN_EVERY: Final = 60


def visitor(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Requests without a session cookie, as probes and programs send them, cost nothing."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        zone = _zone(request)
        if zone is None:
            return get_response(request)
        with timezone.override(zone):
            return get_response(request)

    return answer


def _has_session(request: HttpRequest) -> bool:
    return settings.SESSION_COOKIE_NAME in request.COOKIES


def _zone(request: HttpRequest) -> ZoneInfo | None:
    if not _has_session(request) or not request.user.is_authenticated:
        return None
    _note_seen(request)
    return zone_of(request.user) if request.path_info.startswith(LOCAL_PAGES) else None


def _note_seen(request: HttpRequest) -> None:
    key = request.session.session_key
    try:
        due = cache.add(f"seen:{key}", 1, timeout=SEEN_EVERY)
    except RedisError as problem:
        # Nobody should be kept waiting for the sake of this.
        logger.warning("last seen not noted", error=repr(problem))
        return
    if due and not devices.note_seen(request):
        # Signed in by a door that allauth does not keep, or before sessions were listed.
        UserSession.objects.create_from_request(request)
