"""The door of every web process: three lanes.

Websockets go to Channels; a handful of named hot paths go to small ASGI callables; everything else
is Django, which costs about 0.7 ms a request where a bare callable costs 0.02 (DESIGN section 5).
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

# Loads settings and apps, so it comes before everything that needs them.
django.setup(set_prefix=False)

from channels.security.websocket import WebsocketDenier
from django.urls import get_resolver

from accounts.fastlane import with_tokens
from config.handler import OneHopHandler
from foundation.lane_metrics import clock
from live import hub, sse
from live.consumers import LiveConsumer
from live.origins import OwnOrigins
from orgs import fastlane as events
from orgs import routing as orgs_live
from orgs.api import stream as orgs_stream
from rates import fastlane as rates
from rates.coins import fastlane as coins

Application = Callable[[Any, Any, Any], Awaitable[None]]


def always(scope: Any) -> bool:
    return True


class FastLane(NamedTuple):
    """A callable for some paths. Scopes that it does not ``take`` go to Django.

    One without a ``name`` is a stream, whose length is its reader's affair.
    """

    application: Application
    takes: Callable[[Any], bool] = always
    name: str = ""


django_application = OneHopHandler()
# The first request need not wait while every view is imported.
get_resolver().url_patterns  # noqa: B018

FAST_LANE: dict[str, FastLane] = {
    "/api/v1/live": FastLane(with_tokens(sse.stream)),
    **dict.fromkeys(coins.PATHS, FastLane(coins.coins, coins.takes, "coins")),
    "/api/metrics/orgs-stream": FastLane(orgs_stream.stream, orgs_stream.takes),
    "/api/v1/rates": FastLane(rates.rates, rates.takes, "rates"),
}
# By how a path begins: what follows names something that only the lane can judge.
VERDICT = FastLane(events.get_verdict, events.takes_question, "verdict")
FAST_PREFIXES: dict[str, FastLane] = {
    **dict.fromkeys(events.PREFIXES, FastLane(events.put_event, events.takes, "event_put")),
    **dict.fromkeys(events.VERDICT_PREFIXES, VERDICT),
}

WEBSOCKETS: dict[str, Application] = {
    "/ws/live": OwnOrigins(with_tokens(LiveConsumer.as_asgi())),
}
refuse: Application = WebsocketDenier.as_asgi()


def lane_for(path: str) -> FastLane | None:
    """The lane of exactly this path, or else of how it begins."""
    lane = FAST_LANE.get(path)
    if lane is None:
        for prefix, candidate in FAST_PREFIXES.items():
            if path.startswith(prefix):
                return candidate
    return lane


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        lane = lane_for(scope["path"])
        if lane is None or not lane.takes(scope):
            await django_application(scope, receive, send)
        elif lane.name:
            began = time.perf_counter()
            await lane.application(scope, receive, send)
            clock.note(lane.name, time.perf_counter() - began)
        else:
            await lane.application(scope, receive, send)
    elif scope["type"] == "websocket":
        await WEBSOCKETS.get(scope["path"], refuse)(scope, receive, send)
    else:
        await lifespan(receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    """Start the hub before the first request, and stop it after the last."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            hub.current().start()
            orgs_live.teller.start()
            # What was imported lives as long as the process: collections need not look at it.
            gc.collect()
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
        else:
            await orgs_live.teller.stop()
            await hub.current().stop()
            await events.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
