"""Reading Kraken's websocket v2 frames. Pure: text in, one ``Frame`` out, never an exception.

Prices keep the digits they were sent with (``84359.90`` stays ``84359.90``), so numbers are read as
``Decimal`` straight from the text and never pass through a float.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

from rates.feeds.source import Tick

# A ticker row has about 300 characters; what is this much longer is not worth reading.
LARGEST_FRAME: Final = 65_536
# Room for every real price and volume, and a bound on what later arithmetic may cost.
LARGEST_EXPONENT: Final = 15
SMALLEST_EXPONENT: Final = -18
MOST_DIGITS: Final = 34
LONGEST_MESSAGE: Final = 200

SYMBOL = re.compile(r"[A-Za-z0-9.]{1,20}/[A-Za-z0-9.]{1,20}")
SYSTEM = re.compile(r"[a-z_]{1,32}")


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The exchange lives and has nothing else to say; pongs count as well."""


@dataclass(frozen=True, slots=True)
class Status:
    system: str


@dataclass(frozen=True, slots=True)
class Ticks:
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """To a subscription or its end. ``error`` is empty when the exchange agreed.

    ``symbol`` is empty when the exchange refused a whole request without naming one.
    """

    method: str
    symbol: str
    error: str


@dataclass(frozen=True, slots=True)
class RateExceeded:
    """We sent too many messages."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Not a frame we know how to read. ``reason`` is a short word for logs."""

    reason: str


Frame = Heartbeat | Status | Ticks | Answer | RateExceeded | Bad


class _Malformed(ValueError):
    """Leaves this module only as ``Bad``."""


def read(raw: str | bytes, *, received: float, received_at: datetime) -> Frame:
    """Read one frame. ``received`` (monotonic seconds) and ``received_at`` go into its ticks."""
    if len(raw) > LARGEST_FRAME:
        return Bad("too_large")
    try:
        message = json.loads(raw, parse_float=Decimal, parse_constant=_refuse_constant)
        return _frame(message, received, received_at)
    except _Malformed as problem:
        return Bad(str(problem))
    except (ValueError, RecursionError):
        # Not JSON, not UTF-8, an integer of thousands of digits, or thousands of open brackets.
        return Bad("not_json")


def _refuse_constant(name: str) -> NoReturn:
    raise _Malformed("not_finite")


def _frame(message: object, received: float, received_at: datetime) -> Frame:
    if not isinstance(message, dict):
        raise _Malformed("not_an_object")
    if "channel" in message:
        return _channel(message, received, received_at)
    if "method" in message:
        return _answer(message)
    if message.get("Error") == "Exceeded msg rate":
        return RateExceeded()
    raise _Malformed("unknown")


def _channel(message: dict[str, Any], received: float, received_at: datetime) -> Frame:
    channel = message["channel"]
    if channel == "heartbeat":
        return Heartbeat()
    if channel == "status":
        return Status(_text(_rows(message)[0], "system", SYSTEM))
    if channel == "ticker":
        kind = message.get("type")
        if kind not in ("snapshot", "update"):
            raise _Malformed("unknown_type")
        rows = _rows(message)
        snapshot = kind == "snapshot"
        return Ticks(tuple(_tick(row, snapshot, received, received_at) for row in rows))
    raise _Malformed("unknown_channel")


def _answer(message: dict[str, Any]) -> Frame:
    method, success = message["method"], message.get("success")
    if method == "pong":
        return Heartbeat()
    if method not in ("subscribe", "unsubscribe") or not isinstance(success, bool):
        raise _Malformed("unknown_answer")
    if success:
        result = message.get("result")
        if not isinstance(result, dict):
            raise _Malformed("result")
        return Answer(method, _text(result, "symbol", SYMBOL), "")
    symbol = _text(message, "symbol", SYMBOL) if "symbol" in message else ""
    return Answer(method, symbol, _sentence(message.get("error")))


def _rows(message: dict[str, Any]) -> list[dict[str, Any]]:
    rows = message.get("data")
    if not isinstance(rows, list) or not rows:
        raise _Malformed("data")
    if not all(isinstance(row, dict) for row in rows):
        raise _Malformed("row")
    return rows


def _tick(row: dict[str, Any], snapshot: bool, received: float, received_at: datetime) -> Tick:
    return Tick(
        symbol=_text(row, "symbol", SYMBOL),
        bid=_number(row, "bid"),
        ask=_number(row, "ask"),
        last=_number(row, "last"),
        volume=_number(row, "volume"),
        low=_number(row, "low"),
        high=_number(row, "high"),
        change_pct=_number(row, "change_pct"),
        received=received,
        received_at=received_at,
        source_time=_time(row),
        snapshot=snapshot,
    )


def _text(row: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _Malformed(name)
    return value


def _number(row: dict[str, Any], name: str) -> Decimal:
    """A JSON number, not a string, not ``true``, and not so large that arithmetic would hang."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise _Malformed(name)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number has a number for its exponent"
    ordinary = exponent >= SMALLEST_EXPONENT and value.adjusted() <= LARGEST_EXPONENT
    if not ordinary or len(value.as_tuple().digits) > MOST_DIGITS:
        raise _Malformed(name)
    return value


def _time(row: dict[str, Any]) -> datetime | None:
    """The exchange's own time, which older servers do not send. Always UTC with a ``Z``."""
    value = row.get("timestamp")
    if value is None:
        return None
    if not isinstance(value, str) or not value.endswith("Z") or "T" not in value:
        raise _Malformed("timestamp")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Malformed("timestamp") from None


def _sentence(value: object) -> str:
    """The exchange's words made safe to log and to show."""
    if not isinstance(value, str) or not value:
        return "refused without a reason"
    return "".join(char if char.isprintable() else "?" for char in value[:LONGEST_MESSAGE])
