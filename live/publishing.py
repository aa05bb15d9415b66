"""Publishing to a topic: keep the value in the snapshot and tell every hub, in one round trip.

For publishers that are alone. One that competes with others for leadership needs a script that also
compares epochs, as the rates feed has.
"""

from __future__ import annotations

import redis
import redis.asyncio

from live.messages import ALIVE, Message
from live.topics import Topic


def publish(client: redis.Redis, topic: Topic, *messages: Message) -> None:
    """Raises ``redis.RedisError`` when Valkey is down."""
    with client.pipeline(transaction=True) as pipeline:
        _fill(pipeline, topic, messages)
        pipeline.execute()


async def apublish(client: redis.asyncio.Redis, topic: Topic, *messages: Message) -> None:
    """The same from a coroutine."""
    async with client.pipeline(transaction=True) as pipeline:
        _fill(pipeline, topic, messages)
        await pipeline.execute()


def _fill(
    pipeline: redis.client.Pipeline | redis.asyncio.client.Pipeline,
    topic: Topic,
    messages: tuple[Message, ...],
) -> None:
    for message in messages:
        encoded = message.encode()
        if message.flag != ALIVE and isinstance(topic.snapshot, str):
            pipeline.hset(topic.snapshot, message.key, encoded)
        pipeline.publish(topic.channel, encoded)
