"""A connection on one event loop that no request ends: made anew when it was lost."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

import psycopg
from django.db import connections

CONNECT_SECONDS: Final = 3
# A connection that rested so long is asked before it is trusted: the server may have gone.
IDLE_SECONDS: Final = 1.0
# What Django's options hold beside what libpq understands.
NOT_LIBPQ: Final = ("cursor_factory", "context", "prepare_threshold", "pool")


class OwnConnection:
    """Whoever executes something notes it in ``used`` (monotonic seconds)."""

    def __init__(self) -> None:
        self.held: psycopg.AsyncConnection[Any] | None = None
        self.used = 0.0

    async def ready(self) -> psycopg.AsyncConnection[Any]:
        """Raises ``psycopg.Error`` where there is no server."""
        if self.held is not None and time.monotonic() - self.used > IDLE_SECONDS:
            try:
                await self.held.execute("SELECT 1")
            except psycopg.Error:
                await self.drop()
        if self.held is None or self.held.closed:
            self.held = await psycopg.AsyncConnection.connect(
                **connection_options(), autocommit=True, prepare_threshold=None
            )
            self.used = time.monotonic()
        return self.held

    async def drop(self) -> None:
        gone, self.held = self.held, None
        if gone is not None:
            with suppress(psycopg.Error, OSError):
                await gone.close()


def connection_options() -> dict[str, Any]:
    """What Django connects with, less what only Django understands."""
    options = connections["default"].get_connection_params()
    wanted = {name: value for name, value in options.items() if name not in NOT_LIBPQ}
    return {"connect_timeout": CONNECT_SECONDS, **wanted}
