"""What one client may take. Counts are per process; a proxy in front bounds the whole."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

from django.conf import settings
from rest_framework.throttling import AnonRateThrottle

from live.scopes import Scope, header

MAX_CHARACTERS = 4096
MAX_KEYS = 200
MAX_TOPICS = 50
MESSAGES_PER_SECOND = 20
MESSAGES_AT_ONCE = 60
MAX_THROTTLE_MS = 5000


class Seats:
    """Counts who holds how many connections; ``limit`` is asked at each ``take``."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self.limit = limit
        self.taken: Counter[Hashable] = Counter()

    def take(self, who: Hashable) -> bool:
        """Count one more for ``who``, unless that is too many."""
        if self.taken[who] >= self.limit():
            return False
        self.taken[who] += 1
        return True

    def free(self, who: Hashable) -> None:
        self.taken[who] -= 1
        if self.taken[who] <= 0:
            del self.taken[who]


class Allowance:
    """A bucket of messages that refills by ``MESSAGES_PER_SECOND``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.left = float(MESSAGES_AT_ONCE)
        self.at = clock()

    def spend(self) -> bool:
        now = self.clock()
        refilled = self.left + (now - self.at) * MESSAGES_PER_SECOND
        self.left, self.at = min(refilled, MESSAGES_AT_ONCE), now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Window:
    """How often each address came in the running period, after which all is forgotten."""

    def __init__(self) -> None:
        self.ends = 0.0
        self.came: Counter[str] = Counter()

    def wait(self, address: str, now: float) -> int:
        """Count one request; seconds to wait where it is one too many, else 0."""
        allowed, period = allowance(_rate())
        if now >= self.ends:
            self.ends, self.came = now + period, Counter()
        self.came[address] += 1
        return 0 if self.came[address] <= allowed else int(self.ends - now) + 1


def _rate() -> str:
    rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    return str(rates["anon"])


@cache
def allowance(rate: str) -> tuple[int, int]:
    """``"600/min"`` as requests and seconds, as DRF reads it."""
    requests, seconds = AnonRateThrottle().parse_rate(rate)
    return int(requests or 0), int(seconds or 1)


def client_address(scope: Scope) -> str:
    """The address that limits count; ``X-Forwarded-For`` is believed for our own proxies only."""
    peer = scope.get("client")
    address = str(peer[0]) if peer else "unknown"
    if not settings.TRUSTED_PROXIES:
        return address
    forwarded = header(scope, b"x-forwarded-for")
    if not forwarded:
        return address
    hops = forwarded.split(",")
    return hops[-min(settings.TRUSTED_PROXIES, len(hops))].strip()
