"""What a token says of itself. Anybody may deploy one, so every word of it is a stranger's."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from foundation.evm.failures import NodeError
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import data, written

LONGEST_SYMBOL: Final = 32
LONGEST_NAME: Final = 80
# 10 to this power is the last that a uint256 holds.
MOST_DECIMALS: Final = 77

_SYMBOL, _NAME, _DECIMALS = "0x95d89b41", "0x06fdde03", "0x313ce567"


@dataclass(frozen=True, slots=True)
class TokenData:
    """Empty and None where the contract does not say. Text is on one line, without characters that
    nobody sees or that turn their surroundings."""

    symbol: str
    name: str
    decimals: int | None


def metadata(nodes: Nodes, contracts: Sequence[bytes]) -> list[TokenData]:
    """One for each contract, in order. A contract that reverts or answers nonsense has not said.

    Raises ``NodeError`` where a node could not answer for now: that is no word of the contract.
    """
    selectors = (_SYMBOL, _NAME, _DECIMALS)
    calls = [
        ("eth_call", [{"to": written(contract), "data": selector}, "latest"])
        for contract in contracts
        for selector in selectors
    ]
    said = [_returned(answer) for answer in nodes.batch(calls)]
    return [
        TokenData(
            symbol=text_of(said[place], LONGEST_SYMBOL),
            name=text_of(said[place + 1], LONGEST_NAME),
            decimals=_decimals(said[place + 2]),
        )
        for place in range(0, len(said), len(selectors))
    ]


def _returned(answer: Any) -> bytes:
    if not isinstance(answer, NodeError):
        return data(answer)
    # Burning all gas is a contract's way of refusing too.
    if answer.kind in ("refused", "too_large"):
        return b""
    raise answer


def text_of(returned: bytes, longest: int) -> str:
    """A string of the ABI, or the 32 bytes that older tokens return, made fit to be shown."""
    raw = _string(returned) if len(returned) != 32 else returned.partition(b"\0")[0]
    return _plain(raw.decode("utf-8", "ignore"), longest)


def _string(returned: bytes) -> bytes:
    start = int.from_bytes(returned[:32], "big")
    length = int.from_bytes(returned[start : start + 32], "big")
    return returned[start + 32 : start + 32 + min(length, len(returned))]


def _plain(text: str, longest: int) -> str:
    # C: control, format (bidirectional marks too), surrogate, private, unassigned. Z: any space.
    kinds = ((character, unicodedata.category(character)) for character in text[: 8 * longest])
    shown = "".join(
        " " if kind[0] == "Z" or character in "\t\n\r" else character
        for character, kind in kinds
        if kind[0] != "C" or character in "\t\n\r"
    )
    return " ".join(shown.split())[:longest].rstrip()


def _decimals(returned: bytes) -> int | None:
    number = int.from_bytes(returned[:32], "big")
    return number if len(returned) >= 32 and number <= MOST_DECIMALS else None
