"""JSON-RPC's hexadecimal values, read strictly: a node's answer is foreign input."""

from __future__ import annotations

import re
from typing import Any, Final

from foundation.evm.failures import NodeError

_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)


def quantity(written: Any) -> int:
    """``0x1f`` -> 31, up to 256 bits. Raises ``NodeError`` of kind ``bad_answer``."""
    if not isinstance(written, str) or not _QUANTITY.fullmatch(written):
        raise NodeError("bad_answer", "a number was expected")
    return int(written, 16)


def counted(written: Any) -> int:
    """A number of things or seconds: what no honest answer has above 63 bits, and no table takes.
    Raises ``NodeError``."""
    number = quantity(written)
    if number >= 2**63:
        raise NodeError("bad_answer", "a smaller number was expected")
    return number


def data(written: Any, length: int | None = None) -> bytes:
    """``0x00ff`` -> two bytes; ``length`` is how many there must be. Raises ``NodeError``."""
    if not isinstance(written, str) or not written.startswith("0x"):
        raise NodeError("bad_answer", "bytes in hex were expected")
    try:
        raw = bytes.fromhex(written[2:])
    except ValueError:
        raise NodeError("bad_answer", "bytes in hex were expected") from None
    # Spaces between the digits are read over by ``fromhex``. A pattern that excludes them takes as
    # long as everything else about a large answer.
    if 2 * len(raw) != len(written) - 2:
        raise NodeError("bad_answer", "bytes in hex were expected")
    if length is not None and len(raw) != length:
        raise NodeError("bad_answer", f"{length} bytes were expected")
    return raw


def address(written: Any) -> bytes:
    return data(written, 20)


def digest(written: Any) -> bytes:
    return data(written, 32)


def written(raw: bytes) -> str:
    """Bytes as JSON-RPC writes them."""
    return f"0x{raw.hex()}"
