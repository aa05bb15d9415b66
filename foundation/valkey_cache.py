"""Django's cache over the process's one pool of connections to Valkey."""

from __future__ import annotations

from typing import Any

import redis
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from foundation import valkey


class ValkeyCache(RedisCache):
    """Django makes its backend anew for each thread, and under ASGI each request has its own.

    Every request would open connections of its own, which took longer than the rest of it. The
    server is ``REDIS_URL``; ``LOCATION`` and ``OPTIONS`` are not read.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _SharedClient


class _SharedClient(RedisCacheClient):
    def get_client(self, key: object = None, *, write: bool = False) -> redis.Redis:
        return valkey.client()
