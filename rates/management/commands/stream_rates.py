from __future__ import annotations

import asyncio
import signal
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management.base import BaseCommand

from foundation import valkey
from rates.feeds.kraken_rest import KrakenREST
from rates.feeds.kraken_ws import KrakenWS
from rates.services import spread_table
from rates.services.feed.runner import Feed

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Streams the exchange's ticks, quotes them with the spreads, and publishes the result."

    def handle(self, **options: Any) -> None:
        asyncio.run(stream())


async def stream() -> None:
    """Run until SIGTERM or SIGINT, then hand the lead to a standby."""
    client = valkey.async_client()
    rest = KrakenREST(settings.KRAKEN_REST_URL)
    feed = Feed(
        client=client,
        source=KrakenWS(settings.KRAKEN_WS_URL),
        resolve=sync_to_async(spread_table.resolve),
        republish=sync_to_async(spread_table.publish),
        confirm=rest.top_of_book,
        simulated=settings.SIMULATED,
    )
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, feed.stop)
    try:
        await feed.run()
    finally:
        await client.aclose()
    logger.info("feed stopped")
