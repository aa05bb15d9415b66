"""From the stream of finished parts into the table: every tick counted once, none lost.

An entry is acknowledged after the commit, so a writer killed in between leaves it pending and the
next one reads it again. Storing a part twice changes nothing: each row knows the tick numbers it
holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

import structlog
from django.db import connection, transaction
from django.utils import timezone
from redis.exceptions import ResponseError

from foundation import valkey
from rates.constants import KEY_CLOSED_CANDLES
from rates.models import Candle1m, Pair
from rates.services.candle_partitions import first_of_month, make_partitions, oldest_kept
from rates.services.candles import CandlePart

logger = structlog.get_logger(__name__)

GROUP = "candles"
# One name for every writer: the lock lets one work at a time, which then finds what the one before
# it left pending under this name, without waiting for it to be idle.
CONSUMER = "writer"
BATCH = 500
MAX_BATCHES = 100
# No feed's clock is further ahead; a partition is never made for a nonsense date.
MAX_AHEAD = timedelta(days=1)
# Any constant that nobody else of the product uses; two processes must agree on it.
LOCK = 7_202

PRICES = ("bid_o", "bid_h", "bid_l", "bid_c", "ask_o", "ask_h", "ask_l", "ask_c")
WRITTEN = [*PRICES, "ticks", "spread_version", "parts"]

Entry = tuple[bytes, dict[bytes, bytes] | None]


class Span(NamedTuple):
    """The ticks that a row holds of one part; kept as a list of these in ``Candle1m.parts``."""

    epoch: int
    first_seq: int
    last_seq: int
    ticks: int

    def overlaps(self, other: Span) -> bool:
        return (
            self.epoch == other.epoch
            and self.first_seq <= other.last_seq
            and other.first_seq <= self.last_seq
        )

    def hull(self, other: Span) -> Span:
        """Both, where they share ticks: a longer form of a part replaces the shorter one."""
        first = min(self.first_seq, other.first_seq)
        last = max(self.last_seq, other.last_seq)
        return Span(self.epoch, first, last, max(self.ticks, other.ticks))


def store_closed() -> int:
    """Store what waits in the stream; returns how many entries. Nothing when another does it now.

    Raises ``redis.RedisError`` or ``django.db.Error`` while a server is down; entries then wait.
    """
    _make_group()
    stored = 0
    for _ in range(MAX_BATCHES):
        count = _store_batch()
        stored += count
        if not count:
            break
    return stored


def store_parts(parts: Iterable[CandlePart]) -> int:
    """Put ``parts`` into their rows and return how many were taken. Safe to repeat, in any order.

    Parts of unknown pairs, of months that retention has dropped and of the future are left out and
    logged.
    """
    with transaction.atomic():
        _lock("pg_advisory_xact_lock")
        return _store(list(parts))


def _store_batch() -> int:
    with transaction.atomic():
        if not _lock("pg_try_advisory_xact_lock"):
            return 0
        entries = _read(b"0") or _read(b">")
        _store(_decoded(entries))
    if entries:
        valkey.client().xack(KEY_CLOSED_CANDLES, GROUP, *(identity for identity, _ in entries))
    return len(entries)


def _store(parts: Sequence[CandlePart]) -> int:
    ids = dict(Pair.objects.values_list("code", "pk"))
    now = timezone.now()
    oldest, newest = oldest_kept(now), now + MAX_AHEAD
    usable = [part for part in parts if part.pair in ids and oldest <= part.bucket <= newest]
    if len(usable) < len(parts):
        logger.warning("candle parts left out", count=len(parts) - len(usable))
    make_partitions({first_of_month(part.bucket) for part in usable})
    keys = [(ids[part.pair], part.bucket) for part in usable]
    rows = {row.pk: row for row in Candle1m.objects.filter(pk__in=keys)}
    for key, part in zip(keys, usable, strict=True):
        if key in rows:
            _absorb(rows[key], part)
        else:
            rows[key] = _row(key, part)
    Candle1m.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["pair", "bucket"],
        update_fields=WRITTEN,
        batch_size=BATCH,
    )
    return len(usable)


def _row(key: tuple[int, datetime], part: CandlePart) -> Candle1m:
    prices = {name: getattr(part, name) for name in PRICES}
    return Candle1m(
        pair_id=key[0],
        bucket=key[1],
        ticks=part.ticks,
        spread_version=part.spread_version,
        parts=[span_of(part)],
        **prices,
    )


def _absorb(row: Candle1m, part: CandlePart) -> None:
    """Let ``part`` open, widen and close the row where it is first, widest and last."""
    held, new = [Span(*span) for span in row.parts], span_of(part)
    if (new.epoch, new.first_seq) < min((span.epoch, span.first_seq) for span in held):
        row.bid_o, row.ask_o = part.bid_o, part.ask_o
    if (new.epoch, new.last_seq) > max((span.epoch, span.last_seq) for span in held):
        row.bid_c, row.ask_c = part.bid_c, part.ask_c
        row.spread_version = part.spread_version
    row.bid_h, row.ask_h = max(row.bid_h, part.bid_h), max(row.ask_h, part.ask_h)
    row.bid_l, row.ask_l = min(row.bid_l, part.bid_l), min(row.ask_l, part.ask_l)
    apart = [span for span in held if not span.overlaps(new)]
    for span in held:
        new = new.hull(span) if span.overlaps(new) else new
    row.parts = sorted([*apart, new])
    row.ticks = sum(span.ticks for span in (*apart, new))


def span_of(part: CandlePart) -> Span:
    return Span(part.epoch, part.first_seq, part.last_seq, part.ticks)


# --- The stream ----------------------------------------------------------------


def _make_group() -> None:
    try:
        # From the beginning: what was said before the first writer came must be stored too.
        valkey.client().xgroup_create(KEY_CLOSED_CANDLES, GROUP, id="0", mkstream=True)
    except ResponseError as answer:
        if "BUSYGROUP" not in str(answer):
            raise


def _read(after: bytes) -> list[Entry]:
    """Entries given to this consumer but not acknowledged (``0``), or new ones (``>``)."""
    answer = valkey.client().xreadgroup(GROUP, CONSUMER, {KEY_CLOSED_CANDLES: after}, count=BATCH)
    streams = cast("Any", answer)
    if not streams:
        return []
    entries: list[Entry] = streams[0][1]
    return entries


def _decoded(entries: Iterable[Entry]) -> list[CandlePart]:
    parts = []
    for identity, words in entries:
        try:
            # A pending entry that the stream has since dropped comes back without words.
            text = {name.decode(): value.decode() for name, value in (words or {}).items()}
            parts.append(CandlePart.decode(text))
        except ValueError as problem:
            logger.warning("candle part dropped", entry=identity.decode(), problem=str(problem))
    return parts


def _lock(function: str) -> bool:
    """Let one writer at a time add to rows; the lock ends with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [LOCK])
        row = cursor.fetchone()
    return row is not None and row[0] is not False
