"""Ending tasks of an event loop for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

# Seconds. Longer than any clean-up of ours, which a second cancellation would cut short.
AGAIN_AFTER = 1.5


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks`` and wait until all have ended, whatever they end with.

    Before Python 3.12 ``asyncio.wait_for``, with which redis-py sends its commands, loses a
    cancellation that arrives as the command is done. So it is repeated.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN_AFTER)
