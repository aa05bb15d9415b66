"""The operators' decisions as the feed holds them: pairs, halts, and spreads by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from rates.services.quoting import Spread


@dataclass(frozen=True, slots=True)
class Rule:
    """A spread and when it holds, in milliseconds since 1970; ``until`` is ``None`` while open."""

    spread: Spread
    since: int
    until: int | None

    def holds(self, at: int) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class QuotedPair:
    code: str
    position: int  # on the board, from 0
    symbol: str
    tick: Decimal
    decimals: int
    max_age_quiet: float
    max_jump_bps: Decimal
    halted: str | None  # the operator's reason
    rules: tuple[Rule, ...]

    def spread(self, at: int) -> Spread | None:
        """The spread in force at ``at``, or ``None`` before any was set."""
        return next((rule.spread for rule in self.rules if rule.holds(at)), None)


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that ``spread_table.resolve`` wrote, parsed once per change."""

    version: int
    pairs: Mapping[str, QuotedPair]

    @classmethod
    def empty(cls) -> Self:
        return cls(version=-1, pairs={})

    @classmethod
    def parse(cls, resolved: Mapping[str, Any]) -> Self:
        """From the JSON of docs/architecture.md. Raises ``KeyError`` or ``ArithmeticError``."""
        rows = enumerate(resolved["pairs"].items())
        pairs = {code: _pair(code, position, row) for position, (code, row) in rows}
        return cls(version=int(resolved["version"]), pairs=pairs)

    def next_change(self, after: int) -> int | None:
        """When the next scheduled spread begins or ends."""
        moments = (
            moment
            for pair in self.pairs.values()
            for rule in pair.rules
            for moment in (rule.since, rule.until)
            if moment is not None and moment > after
        )
        return min(moments, default=None)


def _pair(code: str, position: int, row: Mapping[str, Any]) -> QuotedPair:
    halted = row["halted"]
    return QuotedPair(
        code=code,
        position=position,
        symbol=row["symbol"],
        tick=Decimal(row["tick"]),
        decimals=int(row["decimals"]),
        max_age_quiet=float(row["max_age_quiet"]),
        max_jump_bps=Decimal(row["max_jump_bps"]),
        halted=None if halted is None else str(halted["reason"]),
        rules=tuple(_rule(rule) for rule in row["rules"]),
    )


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(
        spread=Spread(
            unit=row["unit"],
            buy=Decimal(row["buy"]),
            sell=Decimal(row["sell"]),
            min_bps=Decimal(row["min_bps"]),
            max_bps=Decimal(row["max_bps"]),
            version=int(row["version"]),
        ),
        since=int(row["from"]),
        until=None if row["to"] is None else int(row["to"]),
    )
