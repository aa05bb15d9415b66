"""Django's cache over the process's one pool of connections to Valkey."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import redis
import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

from foundation import valkey

logger = structlog.get_logger(__name__)
Answer = TypeVar("Answer")


def _or_else(answer: Any) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """What a cache says that can be done without: nothing is known, and all went well."""

    def decorate(method: Callable[..., Answer]) -> Callable[..., Answer]:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Answer:
            try:
                return method(*args, **kwargs)
            except RedisError as problem:
                logger.warning("cache is down", method=method.__name__, error=repr(problem))
                found: Answer = answer
                return found

        return call

    return decorate


class ValkeyCache(RedisCache):
    """Does without Valkey while it is away: what it holds is copies, and counts of attempts.

    Django makes its backend anew for each thread, and under ASGI each request has its own, which
    would open connections of its own. The server is ``REDIS_URL``; ``LOCATION`` is not read.
    ``OPTIONS["longest"]`` bounds how many seconds anything is kept: a deletion that was missed is
    made up for by then.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        self.longest: int | None = params.get("OPTIONS", {}).pop("longest", None)
        super().__init__(server, params)
        self._class = _SharedClient

    def get_backend_timeout(self, timeout: Any = DEFAULT_TIMEOUT) -> float | None:
        wanted = super().get_backend_timeout(timeout)
        if self.longest is None:
            return wanted
        return self.longest if wanted is None else min(wanted, self.longest)


class _SharedClient(RedisCacheClient):
    def get_client(self, key: object = None, *, write: bool = False) -> redis.Redis:
        return valkey.client()

    add = _or_else(True)(RedisCacheClient.add)
    set = _or_else(None)(RedisCacheClient.set)
    touch = _or_else(False)(RedisCacheClient.touch)
    delete = _or_else(False)(RedisCacheClient.delete)
    has_key = _or_else(False)(RedisCacheClient.has_key)
    set_many = _or_else(None)(RedisCacheClient.set_many)
    delete_many = _or_else(None)(RedisCacheClient.delete_many)
    get_many = _or_else({})(RedisCacheClient.get_many)

    def get(self, key: Any, default: Any) -> Any:
        return _or_else(default)(super().get)(key, default)
