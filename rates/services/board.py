"""What is quoted now, as the feed left it in Valkey, with the age of the feed applied.

The bytes of a quote are made once, by the feed. What is done here with the stale form is done on
them, so that numbers keep the digits they were published with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, cast

import structlog
from redis.exceptions import RedisError

from foundation import valkey
from live import hub, messages
from live.messages import Message
from rates.constants import FEED_SILENCE, KEY_FEED, LIVE, STALE, TOPIC, key_quotes

logger = structlog.get_logger(__name__)

# Nobody has as many; a longer list is a mistake or worse.
MAX_PAIRS: Final = 200
FEED_SILENT: Final = "feed_silent"
VALKEY_DOWN: Final = "valkey_down"
# A quote inside a JSON string is escaped, so this finds the member and nothing else.
POSITION: Final = re.compile(rb'"position":(\d+)')


@dataclass(frozen=True, slots=True)
class Entry:
    """One pair. ``data`` holds the three objects with ``Decimal`` numbers, ``meta`` the rest."""

    data: dict[str, Any]
    meta: dict[str, Any]


@dataclass(frozen=True)
class BoardSnapshot:
    """Every pair at one moment, in the board's order.

    ``state`` is ``live`` or ``stale`` for the exchange as a whole, with ``reason``. ``age_ms`` is
    the time since the feed's last sign of life, ``None`` where there never was one.
    """

    messages: Mapping[str, Message] = field(default_factory=dict)
    state: str = STALE
    reason: str | None = None
    age_ms: int | None = None
    silent: bool = False

    def only(self, codes: Iterable[str]) -> BoardSnapshot:
        """These pairs in this order. Raises ``KeyError`` for one that is not here."""
        return replace(self, messages={code: self.messages[code] for code in codes})

    @cached_property
    def entries(self) -> dict[str, Entry]:
        return {code: _entry(message) for code, message in self.messages.items()}

    @property
    def newest(self) -> tuple[int, int]:
        return newest(self.messages.values())

    @property
    def epoch(self) -> int:
        return self.newest[0]

    @property
    def seq(self) -> int:
        return self.newest[1]


def read(pairs: Collection[str] | None = None) -> BoardSnapshot:
    """The board, or the part of it that ``pairs`` names. Never raises for a Valkey that is down.

    Pairs appear in their stale form when the feed has been silent for too long, by Valkey's clock.
    """
    try:
        with valkey.client().pipeline(transaction=True) as together:
            together.hgetall(key_quotes())
            together.hgetall(KEY_FEED)
            together.time()
            quotes, feed, now = together.execute()
    except RedisError as problem:
        logger.warning("board not read", error=str(problem))
        return _remembered(pairs)
    age = _age(cast("dict[bytes, bytes]", feed), now)
    silent = age is None or age > FEED_SILENCE * 1000
    shown = chosen(in_order(_decoded(quotes.values()), silent=silent), pairs)
    state, reason = feed.get(b"state", STALE.encode()).decode(), feed.get(b"reason", b"").decode()
    if silent:
        state, reason = STALE, FEED_SILENT
    return BoardSnapshot(shown, state, None if state == LIVE else reason or None, age, silent)


def _remembered(pairs: Collection[str] | None) -> BoardSnapshot:
    """What this process heard before Valkey went away; nothing in a process without a hub."""
    heard = tuple(hub.current().latest(TOPIC).values())
    return BoardSnapshot(
        chosen(in_order(heard, silent=True), pairs), reason=VALKEY_DOWN, silent=True
    )


def chosen(found: Mapping[str, Message], pairs: Collection[str] | None) -> dict[str, Message]:
    return {code: m for code, m in found.items() if pairs is None or code in pairs}


def in_order(found: Iterable[Message], *, silent: bool) -> dict[str, Message]:
    """Pair code to message in the board's order, as shown while the feed is ``silent`` or not."""
    values = [message for message in found if message.key != messages.TOPIC_STATE]
    shown = {m.key: withdrawn(m) if silent else m for m in values}
    return dict(sorted(shown.items(), key=lambda item: position(item[1])))


def position(message: Message) -> tuple[int, str]:
    """Sorts pairs as the desk ordered them; ``meta`` carries the order, the code breaks ties."""
    found = POSITION.search(message.meta)
    return int(found[1]) if found else 0, message.key


def withdrawn(message: Message) -> Message:
    data, meta = stale_form(message)
    return message._replace(data=data, meta=meta)


def stale_form(message: Message) -> tuple[bytes, bytes]:
    """``(data, meta)`` of a message, with the quote withdrawn because nobody confirms it.

    For the topic's own state likewise. Ready JSON in, ready JSON out.
    """
    if message.key == messages.TOPIC_STATE:
        facts = json.loads(message.data) | {"state": STALE, "reason": FEED_SILENT}
        return _compact(facts), message.meta
    facts = json.loads(message.meta) | {"state": STALE, "reason": FEED_SILENT}
    return _without_quote(message.data), _compact(facts)


def newest(shown: Iterable[Message]) -> tuple[int, int]:
    """The highest ``(epoch, seq)``; zeros when there are none."""
    return max(((m.epoch, m.seq) for m in shown), default=(0, 0))


def etag(shown: Collection[Message], *, silent: bool) -> str:
    """The entity tag of ``join(shown)``. A spread edit publishes anew, so it moves ``seq`` too.

    The number of pairs is in it because one that is withdrawn from the board moves nothing else.
    """
    epoch, seq = newest(shown)
    return f'"{epoch}-{seq}-{len(shown)}{"-stale" if silent else ""}"'


def render(snapshot: BoardSnapshot, pairs: Iterable[str]) -> bytes:
    """``{"data": {pair: ...}, "meta": {pair: ...}}``, joined from what the feed wrote.

    ``pairs`` must be in the snapshot.
    """
    return join([snapshot.messages[code] for code in pairs])


def join(shown: Collection[Message]) -> bytes:
    """The body of ``shown``, a pair a line."""
    data = b",\n".join(b'"%s":%s' % (m.key.encode(), m.data) for m in shown)
    meta = b",\n".join(b'"%s":%s' % (m.key.encode(), m.meta) for m in shown)
    return b'{"data":{\n%s},\n"meta":{\n%s}}\n' % (data, meta)


def _decoded(raw: Iterable[bytes]) -> list[Message]:
    found = []
    for value in raw:
        try:
            found.append(messages.decode(value))
        except ValueError:
            logger.warning("unreadable quote", value=value[:80])
    return found


def _entry(message: Message) -> Entry:
    return Entry(json.loads(message.data, parse_float=Decimal), json.loads(message.meta))


def _without_quote(data: bytes) -> bytes:
    """``data`` with ``withSpread`` null; the other numbers keep their digits."""
    parsed = json.loads(data, parse_float=_Digits, parse_int=_Digits)
    if parsed.get("withSpread") is None:
        return data
    sides = {name: _sides(parsed[name]) for name in ("original", "currentSpread")}
    return '{{"original":{original},"withSpread":null,"currentSpread":{currentSpread}}}'.format(
        **sides
    ).encode()


class _Digits(str):
    """A JSON number by its text."""


def _sides(value: Mapping[str, _Digits | None]) -> str:
    return f'{{"buy":{value["buy"] or "null"},"sell":{value["sell"] or "null"}}}'


def _compact(facts: object) -> bytes:
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()


def _age(feed: Mapping[bytes, bytes], now: tuple[int, int]) -> int | None:
    """Milliseconds since the feed said that it lives."""
    beat = feed.get(b"beat")
    if beat is None:
        return None
    seconds, microseconds = now
    return max(seconds * 1000 + microseconds // 1000 - int(Decimal(beat.decode()) * 1000), 0)
