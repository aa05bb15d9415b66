from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from foundation import valkey
from rates.feeds.kraken_rest import KrakenREST
from rates.feeds.kraken_ws import KrakenWS
from rates.services import spread_table
from rates.services.feed.runner import Feed

logger = structlog.get_logger(__name__)

T = TypeVar("T")


class Command(BaseCommand):
    help = "Streams the exchange's ticks, quotes them with the spreads, and publishes the result."

    def handle(self, **options: Any) -> None:
        asyncio.run(stream())


def on_a_live_connection(read: Callable[[], T]) -> Callable[[], T]:
    """No request ends here, so nothing else would give up a connection that the server dropped."""

    def call() -> T:
        close_old_connections()
        return read()

    return call


def say_alive() -> None:
    """What the health check of this process looks for."""
    if settings.HEARTBEAT_FILE:
        Path(settings.HEARTBEAT_FILE).touch()


async def stream() -> None:
    """Run until SIGTERM or SIGINT, then hand the lead to a standby."""
    client = valkey.async_client()
    rest = KrakenREST(settings.KRAKEN_REST_URL)
    feed = Feed(
        client=client,
        source=KrakenWS(settings.KRAKEN_WS_URL),
        resolve=sync_to_async(on_a_live_connection(spread_table.resolve)),
        republish=sync_to_async(on_a_live_connection(spread_table.publish)),
        confirm=rest.top_of_book,
        simulated=settings.SIMULATED,
        say_alive=say_alive,
    )
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, feed.stop)
    try:
        await feed.run()
    finally:
        await client.aclose()
    logger.info("feed stopped")
