"""The publisher process: ticks and edits on an absolute schedule, the same for every contender.

``python -m benchmarks.publisher`` takes its ``Plan`` as JSON in its first argument, publishes
until its input ends, then prints ``Published`` as JSON.
"""

from __future__ import annotations

import json
import random
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import redis

from benchmarks.payload import EPOCH, Change, Market, for_hub, for_socketio, pair_codes, stamp
from live.messages import ALIVE, TOPIC_STATE, Message
from rates.constants import KEY_FEED, channel_quotes, key_quotes

ALIVE_EVERY = 1.0


@dataclass(frozen=True)
class Plan:
    url: str
    form: str  # "hub" or "socketio"
    ticks_per_second: float = 50
    edits_per_second: float = 2
    pairs: int = 50
    seed: int = 7


@dataclass
class Published:
    """What went out on schedule: ``[stamp in ns, pair, seq]`` each."""

    messages: list[tuple[int, int, int]] = field(default_factory=list)
    seconds: float = 0.0


class Publisher:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.codes = pair_codes(plan.pairs)
        self.market = Market(self.codes, seed=plan.seed)
        self.random = random.Random(plan.seed)
        self.valkey = redis.Redis.from_url(plan.url)
        self.published = Published()
        self.seq = 0

    def publish(self, index: int, *, edit: bool = False) -> None:
        self.seq += 1
        change = Change(index, self.seq, edit)
        code = self.codes[index]
        data, meta = self.market.data_and_meta(change)
        body = (
            for_socketio(code, data, meta)
            if self.plan.form == "socketio"
            else for_hub(code, change, data, meta)
        )
        channel = f"socket.io#/#{code}#" if self.plan.form == "socketio" else channel_quotes()
        stamped, at = stamp(body, change)
        with self.valkey.pipeline(transaction=False) as pipe:
            pipe.hset(key_quotes(), code, stamped)
            pipe.publish(channel, stamped)
            pipe.execute()
        self.published.messages.append((at, index, self.seq))

    def alive(self) -> None:
        """The feed's sign of life, without which Quayside shows everything as stale."""
        message = Message(ALIVE, EPOCH, self.seq, TOPIC_STATE, b"{}", b"{}").encode()
        with self.valkey.pipeline(transaction=False) as pipe:
            pipe.hset(KEY_FEED, mapping={"state": "live", "epoch": EPOCH, "beat": time.time()})
            pipe.publish(channel_quotes(), message)
            pipe.execute()

    def fill(self) -> None:
        """One value of every pair, so that each client's first frame is a full snapshot."""
        for index in range(len(self.codes)):
            self.publish(index)

    def run(self) -> Published:
        """Publish on schedule until the input ends; a late message is sent at once, not skipped."""
        self.alive()
        self.fill()
        print("ready", flush=True)
        self.published.messages.clear()
        began = time.monotonic()
        for due, kind in self.schedule():
            if input_ended(max(began + due - time.monotonic(), 0)):
                break
            if kind == "alive":
                self.alive()
            else:
                self.publish(self.random.randrange(len(self.codes)), edit=kind == "edit")
        self.published.seconds = time.monotonic() - began
        return self.published

    def schedule(self) -> Iterator[tuple[float, str]]:
        """Seconds since the start and what is due, without end.

        People edit when they like: an edit's moment is drawn, never tied to the ticks' beat.
        """
        every = {"tick": 1 / self.plan.ticks_per_second, "alive": ALIVE_EVERY}
        if self.plan.edits_per_second:
            every["edit"] = 1 / self.plan.edits_per_second
        due = dict(every)
        moments = random.Random(self.plan.seed + 1)
        while True:
            kind = min(due, key=lambda name: due[name])
            yield due[kind], kind
            due[kind] += every[kind] * (moments.uniform(0.5, 1.5) if kind == "edit" else 1)


def input_ended(wait: float) -> bool:
    return bool(select.select([sys.stdin], [], [], wait)[0])


if __name__ == "__main__":
    print(json.dumps(asdict(Publisher(Plan(**json.loads(sys.argv[1]))).run())))
