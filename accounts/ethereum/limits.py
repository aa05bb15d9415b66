"""Limits on attempts, counted by allauth in the shared cache; rates stand in the settings."""

from __future__ import annotations

import structlog
from allauth.core.internal import ratelimit
from django.http import HttpRequest
from redis.exceptions import RedisError

from foundation.errors import RateLimited

logger = structlog.get_logger(__name__)
APP = "allauth.account"


def consume(request: HttpRequest, action: str) -> None:
    """Count one attempt. Raises ``RateLimited``. Lets pass while nobody can count.

    allauth's public wrapper passes every GET uncounted, hence its inner function.
    """
    try:
        counted = ratelimit.consume(request, app=APP, action=action, limit_get=True)
    except RedisError as problem:
        logger.warning("limit without cache", error=str(problem))
        return
    if counted is None:
        longest = max(rate.duration for rate in ratelimit.get_rates(app=APP, action=action))
        raise RateLimited("Too many attempts. Wait a little.", retry_after=int(longest))
