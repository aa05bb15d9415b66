"""The only writer of quotes: everything of one moment in one script that checks the lease first."""

from __future__ import annotations

from typing import Any

import redis.asyncio
import structlog

from rates.constants import KEY_FEED, KEY_LEADER
from rates.services.feed.lease import Lease

logger = structlog.get_logger(__name__)

Command = tuple[bytes | str | int, ...]

# Each command comes as its length and its words. A write is also a sign of life, by Valkey's clock.
FENCED = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local i = 2
while i <= #ARGV do
    local words = tonumber(ARGV[i])
    redis.call(unpack(ARGV, i + 1, i + words))
    i = i + words + 1
end
local now = redis.call('TIME')
redis.call('HSET', KEYS[2], 'beat', now[1] .. '.' .. string.format('%06d', now[2]))
return 1
"""


class LeaseLost(Exception):
    """Another feed leads, or Valkey forgot that this one does. Nothing was written."""


class Outbox:
    def __init__(self, client: redis.asyncio.Redis, lease: Lease) -> None:
        self._script = client.register_script(FENCED)
        self._lease = lease

    async def write(self, commands: list[Command]) -> None:
        """Run ``commands`` atomically if this process leads.

        Raises ``LeaseLost``, after which the lease is given up, or ``redis.RedisError``.
        """
        if not self._lease.held:
            raise LeaseLost
        words: list[Any] = [self._lease.token]
        for command in commands:
            words += (len(command), *command)
        if not await self._script(keys=[KEY_LEADER, KEY_FEED], args=words):
            self._lease.lose()
            raise LeaseLost
