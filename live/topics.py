"""What can be subscribed to. Apps register their topics at start; the hub itself knows no noun.

Clients of a topic obey two rules. A value replaces the one they hold unless its ``(epoch, seq)`` is
lower: an equal one is applied, since the stale form of a value keeps its number and so does the
same value when its publisher returns. And a ``last`` for resuming names only keys whose state is
live. A gap in ``seq`` is not loss: values are absolute, and a slow reader gets the newest only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from live.messages import Message

Check = Callable[[Any, str], bool]
Read = Callable[[], Awaitable[Iterable[Message]]]


def everyone(user: Any, topic_name: str) -> bool:
    """The check of public topics; it is never called, so that they cost no session look-up."""
    return True


@dataclass(frozen=True, kw_only=True, eq=False)
class Topic:
    """One stream of keyed values, where it stands in Valkey and who may hear it.

    ``channel`` carries ``Message.encode()``. ``snapshot`` names a hash of key to the same bytes, or
    reads the newest values from wherever they are kept.
    ``silent_after`` is in seconds: a publisher that says nothing for longer is taken for dead and
    every key, ``*`` included, is shown as ``stale_form`` makes it (ready JSON: data, meta).
    ``known_keys`` is called for each subscription that names keys, so it must not block; without
    it the known keys are those published so far. ``may_subscribe`` may use the database.
    """

    name: str
    channel: str
    snapshot: str | Read
    state_event: str
    may_subscribe: Check = everyone
    silent_after: float | None = None
    stale_form: Callable[[Message], tuple[bytes, bytes]] | None = None
    known_keys: Callable[[], Collection[str]] | None = None

    @property
    def public(self) -> bool:
        return self.may_subscribe is everyone


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """Topics of one kind, too many to be heard all the time: only those somebody listens to are.

    ``make`` gets a whole name and answers ``None`` where no such topic can be; it must not block.
    ``form`` describes the names to people: ``chain:<id>``.
    """

    prefix: str
    form: str
    make: Callable[[str], Topic | None]


_topics: dict[str, Topic] = {}
_families: dict[str, Family] = {}


def register(topic: Topic) -> None:
    """Make ``topic`` known to every hub started later. Raises ``ValueError`` for a name in use."""
    if topic.name in _topics:
        raise ValueError(f"topic {topic.name!r} is registered already")
    _topics[topic.name] = topic


def registered() -> Mapping[str, Topic]:
    return MappingProxyType(_topics)


def register_family(family: Family) -> None:
    """Make ``family`` known to every hub. Raises ``ValueError`` for a prefix in use."""
    if family.prefix in _families:
        raise ValueError(f"a family {family.prefix!r} is registered already")
    _families[family.prefix] = family


def families() -> Mapping[str, Family]:
    """By prefix, the colon included."""
    return MappingProxyType(_families)


def make(name: str) -> Topic | None:
    """The topic of a family that is called ``name``, if there can be one."""
    family = _families.get(name[: name.find(":") + 1])
    return family.make(name) if family is not None else None
