"""The list as it is read: process memory, then Valkey, then the newest snapshot. Never a source."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final, cast

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis.exceptions import RedisError

from foundation import valkey
from foundation.errors import NotFound, Unavailable
from rates.coins import constants as c
from rates.coins.services import coin_list, rendering
from rates.coins.services.coin_list import CoinList, Row
from rates.coins.services.rendering import Asked, Body
from rates.models import CoinSnapshot

logger = structlog.get_logger(__name__)

# Memory is believed for so long, in seconds.
BELIEVED: Final = 1.0
# Different requests whose bodies are kept between two changes.
MEMOISED: Final = 64
CACHE_CONTROL: Final = "public, max-age=15, stale-if-error=86400"
RETRY: Final = 5
# Of two processes that publish, the one that is late must not put the older list in place.
WRITE_NEWER: Final = """
local held = redis.call('HGET', KEYS[1], 'version')
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
for place = 2, 4 do redis.call('SET', KEYS[place], ARGV[place]) end
redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 5))
return 1
"""


class Ready:
    """One version of the list, its lines, and bodies made when first asked for."""

    def __init__(self, shown: CoinList, json_text: bytes = b"", csv_text: bytes = b"") -> None:
        self.shown = shown
        self.json_lines = json_text.split(b"\n") if json_text else rendering.json_lines(shown.rows)
        self.csv_lines = csv_text.split(b"\n") if csv_text else rendering.csv_lines(shown.rows)
        self.bodies: dict[Asked, Body] = {}
        self.by_symbol: Mapping[str, Row] = shown.by_symbol()

    def body(self, asked: Asked) -> Body:
        found = self.bodies.get(asked)
        if found is None:
            if len(self.bodies) >= MEMOISED:
                self.bodies.clear()
            found = rendering.body(self.shown, asked, self.json_lines, self.csv_lines)
            self.bodies[asked] = found
        return found


class Memory:
    """What this process holds. ``held`` may be read without a lock: it is replaced, not changed."""

    def __init__(self) -> None:
        self.held: Ready | None = None
        self.checked = float("-inf")
        self._lock = threading.Lock()

    @property
    def age(self) -> float:
        """Seconds since the last look at Valkey."""
        return time.monotonic() - self.checked

    def doubt(self) -> None:
        """Look at Valkey before the next answer."""
        self.checked = float("-inf")

    def forget(self) -> None:
        self.held, self.checked = None, float("-inf")

    def refresh(self) -> Ready | None:
        """The newest list that can be had; one thread looks while the others wait."""
        with self._lock:
            if self.age > BELIEVED:
                self.held = _newer(self.held)
                self.checked = time.monotonic()
            return self.held


memory: Final = Memory()


def current() -> Ready:
    """The list to serve now. Raises ``Unavailable`` if nothing was ever fetched."""
    ready = memory.held if memory.age <= BELIEVED else memory.refresh()
    if ready is None:
        raise Unavailable("No coins were fetched yet.", code="no_coins", retry_after=RETRY)
    return ready


def coin(symbol: str) -> Row:
    """Raises ``NotFound`` for a symbol that is not in the list, besides what ``current`` raises."""
    row = current().by_symbol.get(symbol.upper())
    if row is None:
        raise NotFound(
            f"{symbol[:32]} is not among the top coins.",
            code="unknown_symbol",
            fields={"symbol": ["Allowed: the symbols that /api/v1/coins?limit=500 lists."]},
        )
    return row


def headers(shown: CoinList, now: datetime) -> dict[str, str]:
    """What every answer says of the list's age besides its tag."""
    return {
        "Cache-Control": CACHE_CONTROL,
        "Last-Modified": format_datetime(shown.as_of.replace(microsecond=0), usegmt=True),
        "X-Data-As-Of": _iso(shown.as_of),
        "X-Data-Age": str(max(0, int((now - shown.as_of).total_seconds()))),
        "X-Data-Stale": "1" if shown.is_stale(now) else "0",
        "X-Price-Source": shown.price_source,
        "X-Rank-Source": shown.rank_source,
        "X-Ranks-As-Of": _iso(shown.ranked_at),
        "X-Rank-Hash": shown.rank_hash[:16],
    }


def write(shown: CoinList) -> bool:
    """Render once and put it where every process looks, unless a newer list is there.

    Whether it was put there. Raises ``RedisError``.
    """
    words: list[Any] = [
        shown.version,
        rendering.compact({"version": shown.version, **shown.pack()}),
        b"\n".join(rendering.json_lines(shown.rows)),
        b"\n".join(rendering.csv_lines(shown.rows)),
        *("hash", shown.hash, "rank_hash", shown.rank_hash, "as_of", _iso(shown.as_of)),
    ]
    keys = (c.KEY_META, c.KEY_ROWS, c.KEY_JSON, c.KEY_CSV)
    return bool(valkey.client().eval(WRITE_NEWER, len(keys), *keys, *words))


def stored() -> CoinList | None:
    """The newest list in PostgreSQL."""
    snapshot = CoinSnapshot.objects.newest()
    return None if snapshot is None else coin_list.unpack(snapshot.version, snapshot.body)


def now() -> datetime:
    return timezone.now()


def _newer(held: Ready | None) -> Ready | None:
    """What Valkey has, else what PostgreSQL has, else what is held."""
    try:
        return _from_valkey(held) or _from_postgres(held)
    except RedisError as problem:
        logger.warning("coins without valkey", error=str(problem))
    return _from_postgres(held)


def _from_valkey(held: Ready | None) -> Ready | None:
    client = valkey.client()
    version = cast("bytes | None", client.hget(c.KEY_META, "version"))
    if version is None:
        return None
    # Valkey may have come back with what it knew long ago.
    if held is not None and held.shown.version >= int(version):
        return held
    with client.pipeline(transaction=True) as pipeline:
        pipeline.mget(c.KEY_ROWS, c.KEY_JSON, c.KEY_CSV)
        rows, json_text, csv_text = pipeline.execute()[0]
    if rows is None:
        return None
    packed = json.loads(rows)
    return Ready(coin_list.unpack(packed["version"], packed), json_text or b"", csv_text or b"")


def _from_postgres(held: Ready | None) -> Ready | None:
    try:
        shown = stored()
    except (OperationalError, InterfaceError) as problem:
        logger.warning("coins without the database", error=str(problem))
        return held
    if shown is None or (held is not None and held.shown.version >= shown.version):
        return held
    return Ready(shown)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
