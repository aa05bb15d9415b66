"""Minute candles in the making: ticks in, parts of finished minutes out. Pure; the feed owns it.

A minute may arrive in several parts: a change of leader, a restart or a late tick cuts it.
``candle_store`` puts parts together and tells a part said twice from a second part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

MINUTE: Final = timedelta(minutes=1)
# numeric(24, 12) of the table holds less than this.
TOO_LARGE: Final = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class CandlePart:
    """What one feed saw of one pair in the minute that starts at ``bucket`` (UTC).

    ``first_seq`` and ``last_seq`` number its first and last tick within ``epoch``; the same numbers
    always mean the same ticks.
    """

    pair: str
    bucket: datetime
    bid_o: Decimal
    bid_h: Decimal
    bid_l: Decimal
    bid_c: Decimal
    ask_o: Decimal
    ask_h: Decimal
    ask_l: Decimal
    ask_c: Decimal
    ticks: int
    spread_version: int
    epoch: int
    first_seq: int
    last_seq: int

    def joined(self, later: CandlePart) -> CandlePart:
        """This part continued by ``later`` ticks of the same minute and epoch."""
        return replace(
            self,
            bid_h=max(self.bid_h, later.bid_h),
            bid_l=min(self.bid_l, later.bid_l),
            bid_c=later.bid_c,
            ask_h=max(self.ask_h, later.ask_h),
            ask_l=min(self.ask_l, later.ask_l),
            ask_c=later.ask_c,
            ticks=self.ticks + later.ticks,
            spread_version=later.spread_version,
            last_seq=later.last_seq,
        )

    def encode(self) -> dict[str, str]:
        """Field to text, as it stands in the stream."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else str(value)
            for name, value in asdict(self).items()
        }

    @classmethod
    def decode(cls, words: Mapping[str, str]) -> CandlePart:
        """Parse what ``encode`` made. Raises ``ValueError`` for what the table must not hold."""
        try:
            part = cls(**{f.name: _READ[str(f.type)](words[f.name]) for f in fields(cls)})
        except (KeyError, ArithmeticError) as problem:
            raise ValueError(f"not a candle part: {problem!r}") from problem
        part._check()
        return part

    def _check(self) -> None:
        counted = self.ticks > 0 and 0 <= self.first_seq <= self.last_seq
        if self.bucket != minute_of(self.bucket) or not counted:
            raise ValueError(f"not a candle part: {self}")
        prices = [value for value in asdict(self).values() if isinstance(value, Decimal)]
        if not all(price.is_finite() and 0 < price < TOO_LARGE for price in prices):
            raise ValueError(f"not prices: {self}")


# Annotations are text here, which makes them names of readers.
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "str": str,
    "int": int,
    "Decimal": Decimal,
    "datetime": lambda text: with_zone(datetime.fromisoformat(text)),
}


class CandleBuilder:
    """One unfinished part per pair."""

    def __init__(self) -> None:
        self._open: dict[str, CandlePart] = {}

    def add(
        self,
        pair_code: str,
        bid: Decimal,
        ask: Decimal,
        at: datetime,
        *,
        seq: int,
        epoch: int,
        spread_version: int,
    ) -> list[CandlePart]:
        """Count one tick received ``at``. Returns the part that it ended, if any.

        A tick of another minute, an earlier one included, ends the open part and begins its own.
        """
        tick = CandlePart(
            pair_code,
            minute_of(at),
            *(bid, bid, bid, bid),
            *(ask, ask, ask, ask),
            ticks=1,
            spread_version=spread_version,
            epoch=epoch,
            first_seq=seq,
            last_seq=seq,
        )
        before = self._open.get(pair_code)
        if before and (before.bucket, before.epoch) == (tick.bucket, tick.epoch):
            self._open[pair_code] = before.joined(tick)
            return []
        self._open[pair_code] = tick
        return [before] if before else []

    def close_before(self, at: datetime) -> list[CandlePart]:
        """End the parts of minutes that are over at ``at``, ticks or not."""
        current = minute_of(at)
        closed = [part for part in self._open.values() if part.bucket < current]
        for part in closed:
            del self._open[part.pair]
        return closed

    def open_parts(self) -> list[CandlePart]:
        return list(self._open.values())


def minute_of(at: datetime) -> datetime:
    """The start of the minute of ``at``, in UTC. Raises ``ValueError`` for a naive time."""
    return with_zone(at).replace(second=0, microsecond=0)


def with_zone(at: datetime) -> datetime:
    """``at`` in UTC. Raises ``ValueError`` for a naive time."""
    if at.tzinfo is None:
        raise ValueError("a candle needs a time with its zone")
    return at.astimezone(UTC)
