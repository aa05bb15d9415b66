"""What every source is read into, and the ways in which asking it can fail."""

from __future__ import annotations

import enum
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

LONGEST_SYMBOL: Final = 32
LONGEST_NAME: Final = 80
LONGEST_KEY: Final = 100
LONGEST_MESSAGE: Final = 300
# Prices beyond these are no prices, and would not fit the tables.
LARGEST: Final = Decimal(10) ** 18
SMALLEST: Final = Decimal(10) ** -20
# A few characters of JSON can mean millions of digits; nobody needs more than these.
MOST_DIGITS: Final = 60
MOST_PLACES: Final = 40
# What one answer can cost at most, whatever it says of itself.
MOST_CREDITS: Final = 10_000


class Kind(enum.StrEnum):
    """Why a source gave nothing; each kind has its own pause (``rates.coins.policies``)."""

    KEY = "key"  # the key is missing or wrong
    PAYMENT = "payment"
    PLAN = "plan"
    MINUTE = "rate_minute"
    DAY = "rate_day"
    MONTH = "rate_month"
    ADDRESS = "rate_address"
    SERVER = "server"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    NOT_JSON = "not_json"
    SHAPE = "shape"
    REFUSED = "refused"  # an error body of a kind that is not known
    TOO_LARGE = "too_large"
    SHRUNKEN = "shrunken"


# Asking again cannot help before somebody has changed the key or what is paid for it.
OF_THE_KEY: Final = frozenset({Kind.KEY, Kind.PAYMENT, Kind.PLAN})


class SourceFailed(Exception):
    """``message`` is for operators and holds neither address nor key; ``retry_after`` in s."""

    def __init__(self, kind: Kind, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        # The tables refuse some of what a source may write.
        self.kind, self.message = kind, _visible(message)[:LONGEST_MESSAGE]
        self.retry_after = retry_after


class Listing(NamedTuple):
    """One coin of one source. Figures are texts with the source's own digits, or ``None``."""

    key: str  # the source's id
    symbol: str
    name: str
    rank: int | None
    price: str | None  # USD
    change_1h: str | None = None  # per cent
    change_24h: str | None = None
    change_7d: str | None = None
    market_cap: str | None = None  # USD
    volume_24h: str | None = None  # USD

    def without_figures(self) -> Listing:
        return Listing(*self[:5])


@dataclass(frozen=True)
class Fetched:
    """A whole answer: its rows, what it cost, and how many rows could not be read."""

    rows: list[Listing]
    credits: int
    unreadable: int = 0


class Plan(NamedTuple):
    """What a key's plan has in a month, and what of it is used; ``None`` where it is not told."""

    credits: int | None
    used: int | None


class Adapter(ABC):
    """Asks one service. ``fetch`` and ``plan`` block and raise ``SourceFailed`` only."""

    def __init__(self, url: str, *, key: str = "", wire: str = "v3") -> None:
        self.url, self.key, self.wire = url.rstrip("/"), key, wire

    @abstractmethod
    def fetch(self, count: int) -> Fetched:
        """The newest ``count`` rows."""

    def plan(self) -> Plan | None:
        """What the service says of our key, where asking costs nothing; else ``None``."""
        return None

    @classmethod
    @abstractmethod
    def credits(cls, count: int) -> int:
        """What one fetch of ``count`` rows costs."""


def read_rows(rows: list[Any], read: Callable[[Any], Listing]) -> tuple[list[Listing], int]:
    """Every row that ``read`` understands, and how many it did not."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except (TypeError, LookupError, ValueError, AttributeError, ArithmeticError):
            continue
    if rows and not found:
        raise SourceFailed(Kind.SHAPE, "not one row could be read")
    return found, len(rows) - len(found)


def figure(value: Any) -> str | None:
    """A number of a document read with ``parse_float=Decimal``, in plain digits; else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or number.adjusted() >= LARGEST.adjusted():
        return None
    if exponent < -MOST_PLACES or len(digits) > MOST_DIGITS:
        return None
    return f"{number:f}"


def price(value: Any) -> str | None:
    """A figure above zero that the tables can hold."""
    text = figure(value)
    return text if text is not None and Decimal(text) >= SMALLEST else None


def key(value: Any) -> str:
    """A source's id, as text that the tables can hold. Raises ``ValueError`` for an empty one."""
    text = _visible(str(value))[:LONGEST_KEY]
    if not text:
        raise ValueError("no id")
    return text


def symbol(value: Any) -> str:
    """Upper case and without what cannot be seen. Raises ``ValueError`` for an empty one."""
    # Some letters are longer in upper case.
    text = _visible(value).upper().replace(" ", "")[:LONGEST_SYMBOL]
    if not text:
        raise ValueError("no symbol")
    return text


def name(value: Any) -> str:
    return _visible(value)[:LONGEST_NAME].strip()


def whole(value: Any) -> int | None:
    """A rank from 1; sources write 0 or null for coins that they do not rank."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _visible(value: Any) -> str:
    """``value`` without control and format characters, which could disguise what is shown."""
    if not isinstance(value, str):
        raise ValueError("not text")
    kept = "".join(char for char in value if unicodedata.category(char)[0] != "C")
    return unicodedata.normalize("NFC", kept).strip()
