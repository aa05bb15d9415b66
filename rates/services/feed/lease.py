"""Who leads: a lease in Valkey with a fencing number, so that two feeds never both publish.

The token is new with each lease, so holding it proves the epoch; every write checks it in the same
script that writes (``outbox``).
"""

from __future__ import annotations

import secrets
import time
from typing import Any

import redis.asyncio

from rates.constants import KEY_EPOCH, KEY_LEADER

LEASE_MS = 5_000
RENEW_EVERY = 1.5
TRY_EVERY = 0.5

# The server's clock keeps the epoch rising even when Valkey comes back empty.
GAIN = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
local epoch = tonumber(redis.call('GET', KEYS[2]) or '0') + 1
local now = tonumber(redis.call('TIME')[1])
if now > epoch then epoch = now end
redis.call('SET', KEYS[2], epoch)
return epoch
"""
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class Lease:
    """One feed's claim to lead. ``token`` is empty while it does not."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self.token = ""
        self.epoch = 0
        self._held_until = 0.0

    @property
    def held(self) -> bool:
        """Whether this process leads, judged by its own clock when Valkey cannot be asked."""
        return bool(self.token) and time.monotonic() < self._held_until

    async def hold(self) -> bool:
        """Renew, or try to gain; return whether this call gained it.

        Raises ``redis.RedisError``.
        """
        asked = time.monotonic()
        if self.token:
            if await self._run(RENEW, [KEY_LEADER], self.token, LEASE_MS):
                self._held_until = asked + LEASE_MS / 1000
                return False
            self.lose()
        token = secrets.token_hex(16)
        epoch = await self._run(GAIN, [KEY_LEADER, KEY_EPOCH], token, LEASE_MS)
        if not epoch:
            return False
        self.token, self.epoch = token, int(epoch)
        self._held_until = asked + LEASE_MS / 1000
        return True

    def lose(self) -> None:
        """Stop leading at once: somebody else does, or nobody can tell."""
        self.token = ""

    async def release(self) -> None:
        """Let a standby take over now instead of when the lease runs out."""
        if self.token:
            await self._run(RELEASE, [KEY_LEADER], self.token)
            self.lose()

    async def _run(self, script: str, keys: list[str], *args: Any) -> Any:
        return await self._client.eval(script, len(keys), *keys, *args)
