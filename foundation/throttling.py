"""DRF's throttles, counted in Valkey in one step, which let requests pass while it is down.

DRF keeps a list of times in the cache, reads it and writes it back: two requests at once count as
one, and each costs as much as the list is long. Here two whole numbers make a sliding window: those
of this period, and as much of the last period's as the window still covers.
Refusing everybody because nobody can count would turn a lost Valkey into a lost API.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

from foundation import valkey

if TYPE_CHECKING:
    # DRF's views load this module by name while they load themselves.
    from rest_framework.views import APIView

logger = structlog.get_logger(__name__)

# Answers (counted, this period's, last period's). A refused request is not counted.
COUNT: Final = """
local now = tonumber(redis.call('GET', KEYS[1]) or 0)
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
if now + 1 + last * tonumber(ARGV[1]) > tonumber(ARGV[2]) then return {0, now, last} end
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {1, now + 1, last}
"""


class PassesWithoutCache(SimpleRateThrottle):
    # Both are None where the rate is, which means no limit.
    num_requests: int | None
    duration: int | None

    def allow_request(self, request: Request, view: APIView | None) -> bool:
        key = self.get_cache_key(request, view)  # type: ignore[arg-type]
        if key is None or self.num_requests is None or self.duration is None:
            return True
        allowed, self._wait = take(key, self.num_requests, self.duration)
        return allowed

    def wait(self) -> float | None:
        """Seconds until the next request would be let in; ``None`` where none ever is."""
        return self._wait


def take(key: str, limit: int, period: int) -> tuple[bool, float | None]:
    """Count one of ``limit`` in ``period`` seconds: whether it is let in, and if not, in how many
    seconds one would be; ``None`` where none ever is. Lets in while Valkey is down."""
    try:
        return _count(key, limit, period)
    except RedisError as problem:
        logger.warning("throttle without cache", error=str(problem))
        return True, None


def _count(key: str, limit: int, period: int) -> tuple[bool, float | None]:
    number, passed = divmod(time.time(), period)
    covered = 1 - passed / period
    # Braces keep both numbers on one node of a cluster.
    keys = [f"throttle:{{{key}}}:{int(number) - back}" for back in (0, 1)]
    # Stubs do not tell the asynchronous client's answer from this one's.
    answer: list[int] = valkey.client().eval(COUNT, 2, *keys, covered, limit, 2 * period)
    counted, now, last = answer
    return bool(counted), None if counted else _wait(now, last, limit, period, passed)


def _wait(now: int, last: int, limit: int, period: int, passed: float) -> float | None:
    """When the window covers so little of what was counted that one more fits."""
    if now < limit:
        # now + 1 + last * (1 - t / period) <= limit, solved for t
        return max(period * (1 - (limit - now - 1) / last) - passed, 0.0)
    if limit == 0:
        return None
    # Only in the next period, of which this one is then the last.
    return period - passed + max(period * (1 - (limit - 1) / now), 0.0)


class AnonThrottle(PassesWithoutCache, AnonRateThrottle):
    """By address, for everybody who is not signed in."""


class UserThrottle(PassesWithoutCache, UserRateThrottle):
    """By account: its sessions and its tokens share one count."""

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """DRF would count those who are not signed in again here."""
        return super().get_cache_key(request, view) if request.user.is_authenticated else None


class AddressThrottle(PassesWithoutCache):
    """By address, whoever it says it is; it shares its count with ``AnonThrottle``."""

    scope = AnonThrottle.scope

    def get_cache_key(self, request: Request, view: APIView | None) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
