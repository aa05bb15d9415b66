"""What one topic last said: the newest message of every key, a bit for each, and who is silent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import structlog

from live.messages import ALIVE, TOPIC_STATE, Message
from live.topics import Topic

logger = structlog.get_logger(__name__)

# The first bit of every topic is its own state; its subscribers want it whatever keys they chose.
STATE_BIT = 1
ALL_KEYS = -1


class Event(NamedTuple):
    """One event for a client: its name and its whole JSON text, the name included."""

    name: str
    text: str


def positions(mask: int) -> Iterator[int]:
    """The numbers of the bits set in ``mask``, lowest first; ``mask`` is not negative."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _is_news(message: Message, known: Message, *, heard: bool) -> bool:
    """A topic's own state has no number of its own: it changes while its values stand still. What
    was heard later counts then; what stood in a snapshot may be older."""
    if message.key == TOPIC_STATE and heard and message.data != known.data:
        return (message.epoch, message.seq) >= (known.epoch, known.seq)
    return (message.epoch, message.seq) > (known.epoch, known.seq)


class Board:
    """The latest value per key of one topic. Bits are given to keys that were published, never to
    keys that were asked for, so clients cannot make it grow."""

    def __init__(self, topic: Topic, clock: Callable[[], float] = time.monotonic) -> None:
        self.topic = topic
        self.clock = clock
        self.epoch = 0
        self.version = 0
        self.dropped = 0
        self.first_values = asyncio.Event()
        self.silent = False
        self.heard_at = clock()
        self.held: dict[str, Message] = {}
        self.values: dict[str, Message] = {}
        self.bits: dict[str, int] = {TOPIC_STATE: STATE_BIT}
        self._withdrawn: set[str] = set()
        self._keys: list[str] = [TOPIC_STATE]
        self._data: list[str] = [""]
        self._meta: list[str] = [""]
        self._promised = (0, 0)

    @property
    def loaded(self) -> bool:
        """Whether a snapshot was read."""
        return self.first_values.is_set()

    @property
    def latest(self) -> Mapping[str, Message]:
        """Key to the newest message as published, the topic's own state left out."""
        return MappingProxyType(self.values)

    @property
    def everything(self) -> int:
        """The mask of all that was published."""
        mask = (1 << len(self._keys)) - 1
        return mask if TOPIC_STATE in self.held else mask & ~STATE_BIT

    @property
    def state(self) -> str:
        return "stale" if self.silent else "live"

    def newest(self, mask: int = ALL_KEYS) -> tuple[int, int]:
        """The highest ``(epoch, seq)`` of the keys in ``mask``."""
        held = self.held
        found = (held[self._keys[i]] for i in positions(mask & self.everything))
        return max(((m.epoch, m.seq) for m in found), default=(self.epoch, 0))

    def hear(self, message: Message) -> int:
        """Take what the publisher sent; return the bits that clients must be told of."""
        if message.epoch < self.epoch:
            self.dropped += 1
            return 0
        self.epoch = message.epoch
        self.heard_at = self.clock()
        changed = self._return() if self.silent else 0
        if message.flag == ALIVE:
            self._promised = (message.epoch, message.seq)
            return changed
        return changed | self._store(message, heard=True)

    def load(self, message: Message) -> int:
        """Take what stood in the snapshot: it may be of an older epoch and proves nobody alive."""
        self.epoch = max(self.epoch, message.epoch)
        return self._store(message, heard=False) if message.flag != ALIVE else 0

    def has_gap(self) -> bool:
        """Whether the publisher has said more than arrived here; asking settles it, once."""
        promised, self._promised = self._promised, (0, 0)
        return promised > self.newest()

    def check_silence(self) -> int:
        """Withdraw everything if the publisher is silent too long; return the bits changed."""
        after = self.topic.silent_after
        if after is None or self.silent or self.clock() - self.heard_at <= after:
            return 0
        self.silent = True
        self.version += 1
        self._withdrawn = set(self.held)
        for message in self.held.values():
            self._show(message)
        return self.everything

    def _return(self) -> int:
        """The publisher is back: what it said itself holds again, an older leader's does not."""
        self.silent = False
        self.version += 1
        restored = [key for key in self._withdrawn if self.held[key].epoch == self.epoch]
        self._withdrawn.difference_update(restored)
        for key in restored:
            self._show(self.held[key])
        return sum(self.bits[key] for key in restored)

    def _store(self, message: Message, *, heard: bool) -> int:
        known = self.held.get(message.key)
        if known is not None and not _is_news(message, known, heard=heard):
            self.dropped += 1
            return 0
        self.held[message.key] = message
        if message.key != TOPIC_STATE:
            self.values[message.key] = message
        self.version += 1
        if self.silent:
            self._withdrawn.add(message.key)
        else:
            self._withdrawn.discard(message.key)
        self._show(message)
        return self.bits[message.key]

    def _show(self, message: Message) -> None:
        """Prepare the JSON fragments that frames are joined from."""
        data, meta = message.data, message.meta
        if message.key in self._withdrawn:
            data, meta = self._stale_form(message)
        index = self._index(message.key)
        prefix = "" if message.key == TOPIC_STATE else json.dumps(message.key) + ":"
        self._data[index] = prefix + data.decode()
        self._meta[index] = prefix + meta.decode()

    def _stale_form(self, message: Message) -> tuple[bytes, bytes]:
        if self.topic.stale_form is None:
            return message.data, message.meta
        try:
            return self.topic.stale_form(message)
        except Exception:  # an app's mistake in one value must not stop the pushes of all others
            logger.exception("stale_form_failed", topic=self.topic.name, key=message.key)
            return b"null", b'{"state":"stale"}'

    def _index(self, key: str) -> int:
        if key not in self.bits:
            self.bits[key] = 1 << len(self._keys)
            self._keys.append(key)
            self._data.append("")
            self._meta.append("")
        return self.bits[key].bit_length() - 1

    def mask_of(self, keys: frozenset[str] | None) -> int:
        """The bits of ``keys`` and of the topic's state; ``None`` is every key, also later ones."""
        if keys is None:
            return ALL_KEYS
        return sum(self.bits[key] for key in keys if key in self.bits) | STATE_BIT

    def newer_than(self, mask: int, epoch: int, last: Mapping[str, int]) -> int:
        """The part of ``mask`` that a client who holds ``last`` (key to seq) of ``epoch`` lacks."""
        owed = 0
        for index in positions(mask & self.everything):
            key = self._keys[index]
            message = self.held[key]
            seen = message.epoch == epoch and message.seq <= last.get(key, -1)
            if not seen or key in self._withdrawn:
                owed |= 1 << index
        return owed

    def after(self, mask: int, position: tuple[int, int]) -> int:
        """The part of ``mask`` that changed after ``position``, an ``(epoch, seq)``."""
        epoch, seq = position
        return self.newer_than(mask, epoch, dict.fromkeys(self.bits, seq))

    def events(self, mask: int) -> list[Event]:
        """What a client who lacks ``mask`` must be sent."""
        mask &= self.everything
        found = []
        if mask & STATE_BIT:
            found.append(self._event(self.topic.state_event, self._data[0], self._meta[0]))
        if mask & ~STATE_BIT:
            found.append(self._values_event(list(positions(mask & ~STATE_BIT))))
        return found

    def snapshot(self, mask: int) -> list[Event]:
        """Like ``events``, but never without a values event: it tells that the topic was joined."""
        found = self.events(mask)
        if not mask & self.everything & ~STATE_BIT:
            found.append(self._values_event([]))
        return found

    def _values_event(self, indexes: list[int]) -> Event:
        data = ",".join([self._data[i] for i in indexes])
        meta = ",".join([self._meta[i] for i in indexes])
        return self._event(self.topic.name, "{" + data + "}", "{" + meta + "}")

    @staticmethod
    def _event(name: str, data: str, meta: str) -> Event:
        text = f'{{"event":{json.dumps(name)},"data":{data},"meta":{meta}}}'
        return Event(name, text)
