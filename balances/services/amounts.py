"""Amounts and identities as people and programs read them. Whole numbers all the way."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Final

from foundation.evm.address import checksummed

# A uint256 has 78 digits and a price up to 24; Decimal would keep 28 of them.
EXACT: Final = Context(prec=120, rounding=ROUND_HALF_EVEN)
CENT: Final = Decimal("0.01")


def in_units(value: int, decimals: int | None) -> str:
    """``1500000`` with 6 decimals -> ``1.5``, every digit kept; base units where none are known."""
    if not decimals:
        return str(value)
    whole, part = divmod(value, 10**decimals)
    fraction = f"{part:0{decimals}d}".rstrip("0")
    return f"{whole}.{fraction}" if fraction else str(whole)


def worth(value: int, decimals: int, price: Decimal) -> Decimal:
    """What ``value`` base units are worth at ``price`` a unit, to the cent."""
    exact = EXACT.multiply(EXACT.scaleb(Decimal(value), -decimals), price)
    return exact.quantize(CENT, context=EXACT)


@lru_cache(maxsize=8192)
def address_text(raw: bytes) -> str:
    """The spelling with the checksum of EIP-55."""
    return checksummed(f"0x{raw.hex()}")


def hash_text(raw: bytes) -> str:
    return f"0x{raw.hex()}"
