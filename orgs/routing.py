"""What browsers may hear of organisations, and the part of each web process that tells it.

Importing this registers the topic, once, at start.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from channels.db import database_sync_to_async
from django.db import Error
from redis.exceptions import RedisError

from foundation.cancellation import cancel_and_wait
from live import hub, topics
from live.messages import Message
from orgs.services import live_figures, rights
from orgs.services.live_figures import TURN_MS, Today

logger = structlog.get_logger(__name__)

NAME: Final = "orgs:live"
# Seconds. Somebody speaks four times a second as long as a page is open.
SILENCE: Final = 5.0


def may_hear(user: Any, topic_name: str) -> bool:
    """As for the page of the desk's figures."""
    return rights.reads_all(user)


@database_sync_to_async
def _snapshot() -> list[Message]:
    return [live_figures.message(live_figures.today())]


TOPIC: Final = topics.Topic(
    name=NAME,
    channel=NAME,
    snapshot=_snapshot,
    state_event="orgs:state",
    may_subscribe=may_hear,
    silent_after=SILENCE,
    stale_form=live_figures.stale_form,
)
# A family of one: the topic is heard, and told, only while somebody listens.
topics.register_family(
    topics.Family(prefix="orgs:", form=NAME, make=lambda name: TOPIC if name == NAME else None)
)


class Teller:
    """Speaks in its turn while a page of this process listens. Belongs to the running loop."""

    def __init__(self) -> None:
        self._told: Today | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        ending, self._task = self._task, None
        if ending is not None:
            await cancel_and_wait([ending])

    async def _run(self) -> None:
        while True:
            if NAME in hub.current().fans:
                await self._speak()
            else:
                # Who listens next may have missed what was told since.
                self._told = None
            await asyncio.sleep(TURN_MS / 1000)

    async def _speak(self) -> None:
        try:
            await database_sync_to_async(self._take_turn)()
        except (RedisError, Error) as problem:
            # Pages show by themselves that nothing is heard; the next turn tries again.
            logger.warning("live figures not told", error=repr(problem))

    def _take_turn(self) -> None:
        if live_figures.take_turn():
            self._told = live_figures.tell(TOPIC, self._told)


teller = Teller()
