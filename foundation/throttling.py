"""DRF's throttles, counted in the shared cache, which let requests pass while the cache is down.

Refusing everybody because nobody can count would turn a lost cache into a lost API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

if TYPE_CHECKING:
    # DRF's views load this module by name while they load themselves.
    from rest_framework.views import APIView

logger = structlog.get_logger(__name__)


class PassesWithoutCache(SimpleRateThrottle):
    def allow_request(self, request: Request, view: APIView | None) -> bool:
        try:
            return super().allow_request(request, view)  # type: ignore[arg-type]
        except RedisError as problem:
            logger.warning("throttle without cache", error=str(problem))
            return True


class AnonThrottle(PassesWithoutCache, AnonRateThrottle):
    """By address, for everybody who is not signed in."""


class UserThrottle(PassesWithoutCache, UserRateThrottle):
    """By account: its sessions and its tokens share one count."""


class AddressThrottle(PassesWithoutCache):
    """By address, whoever it says it is; it shares its count with ``AnonThrottle``."""

    scope = AnonThrottle.scope

    def get_cache_key(self, request: Request, view: APIView | None) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
