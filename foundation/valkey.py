"""Connections to Valkey (or Redis): sized pools and time-outs, so a dead server hangs nobody.

redis-py pools hold 100 connections unless told otherwise and raise when they run out; a blocking
pool waits instead (docs/decisions/0004).
"""

from __future__ import annotations

from functools import cache

import redis
import redis.asyncio
from django.conf import settings

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 2.0
# How long to wait for a connection of the pool.
POOL_TIMEOUT = 2.0


@cache
def client() -> redis.Redis:
    """The shared blocking client; answers are bytes. Raises ``redis.RedisError`` if it is down."""
    pool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=50,
        timeout=POOL_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=READ_TIMEOUT,
        health_check_interval=15,
    )
    return redis.Redis.from_pool(pool)


def async_client(*, max_connections: int = 4) -> redis.asyncio.Redis:
    """A new asynchronous client of the running loop; whoever makes it closes it."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=max_connections,
        timeout=POOL_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=READ_TIMEOUT,
        health_check_interval=15,
    )
    return redis.asyncio.Redis.from_pool(pool)
